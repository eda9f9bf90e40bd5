"""What the names and signs of mathematical notation stand for."""

from __future__ import annotations

from empo_rewards.latex import TEXT


def listed(text: str) -> list[str]:
    """Names that are written side by side."""
    return text.split()


_GREEK = listed(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar aleph"
)
_VARIANTS = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho", "varsigma": "sigma"}

SKIPPED = frozenset(
    listed(
        "left right mleft mright middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle "
        "textstyle scriptstyle limits nolimits , ; : > ! rm bf it sf space thinspace enspace negthinspace "
        "hline cdotp normalsize large Large small"
    )
) | {" ", "\n", "\t"}
"""Commands that only set the type."""

TEXT_STYLES = dict.fromkeys(TEXT, "text")
TEXT_STYLES |= dict.fromkeys(listed("mathrm operatorname ce"), "upright")
"""Commands whose argument is words (or a name)."""

STYLES = frozenset(listed("mathbf mathit mathsf mathtt boldsymbol bm boxed fbox pmb variable"))
"""Commands that change how their argument looks, not what it is."""

UPRIGHT_SYMBOLS = frozenset("eid")
"""Letters that are often set upright without being a unit."""

ACCENTS = frozenset(
    listed("overline bar hat widehat tilde widetilde dot ddot underline overrightarrow overleftrightarrow vec mathcal")
    + listed("mathfrak mathscr")
)

COMMANDS: dict[str, tuple[str, str]] = (
    {name: ("sym", name) for name in _GREEK}
    | {name: ("sym", plain) for name, plain in _VARIANTS.items()}
    | dict.fromkeys(("le", "leq", "leqslant", "leqq"), ("≤", "≤"))
    | dict.fromkeys(("ge", "geq", "geqslant", "geqq"), ("≥", "≥"))
    | dict.fromkeys(("ne", "neq"), ("≠", "≠"))
    | dict.fromkeys(("approx", "simeq", "approxeq", "doteq"), ("≈", "≈"))
    | dict.fromkeys(("equiv", "cong"), ("≡", "≡"))
    | dict.fromkeys(("iff", "implies", "Rightarrow", "Leftrightarrow"), ("⇒", "⇒"))
    | dict.fromkeys(("to", "rightarrow", "mapsto", "longrightarrow"), ("→", "→"))
    | dict.fromkeys(("cdot", "times", "ast", "bullet"), ("*", "*"))
    | dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac"), ("frac", "frac"))
    | dict.fromkeys(("binom", "dbinom", "tbinom"), ("binom", "binom"))
    | dict.fromkeys(("vert", "lvert", "rvert", "mid"), ("|", "|"))
    | dict.fromkeys(("langle", "lgroup", "lparen"), ("(", "("))
    | dict.fromkeys(("rangle", "rgroup", "rparen"), (")", ")"))
    | dict.fromkeys(("lbrace", "{"), (r"\{", r"\{"))
    | dict.fromkeys(("rbrace", "}"), (r"\}", r"\}"))
    | dict.fromkeys(("ldots", "cdots", "dots", "dotsc", "dotsb", "dotsm", "dotsi"), ("…", "…"))
    | dict.fromkeys(("emptyset", "varnothing"), ("∅", "∅"))
    | dict.fromkeys(("setminus", "backslash", "smallsetminus"), ("∖", "∖"))
    | dict.fromkeys(("quad", "qquad"), ("quad", "quad"))
    | dict.fromkeys(("lfloor", "llcorner"), ("⌊", "⌊"))
    | dict.fromkeys(("rfloor", "lrcorner"), ("⌋", "⌋"))
    | dict.fromkeys(("lceil", "ulcorner"), ("⌈", "⌈"))
    | dict.fromkeys(("rceil", "urcorner"), ("⌉", "⌉"))
    | dict.fromkeys(("lVert", "rVert", "Vert", "|"), ("‖", "‖"))
    | dict.fromkeys(("mod", "bmod"), ("mod", "mod"))
    | {name: ("large", name) for name in ("sum", "prod", "int", "lim")}
    | dict.fromkeys(("exponentialE",), ("sym", "e"))
    | dict.fromkeys(("imaginaryI", "imaginaryJ"), ("sym", "i"))
    | {
        "pi": ("sym", "π"),
        "infty": ("∞", "∞"),
        "lt": ("<", "<"),
        "gt": (">", ">"),
        "in": ("∈", "∈"),
        "notin": ("∉", "∉"),
        "cup": ("∪", "∪"),
        "cap": ("∩", "∩"),
        "subseteq": ("⊆", "⊆"),
        "supseteq": ("⊇", "⊇"),
        "subset": ("⊂", "⊂"),
        "pm": ("±", "±"),
        "mp": ("∓", "∓"),
        "div": ("/", "/"),
        "sqrt": ("sqrt", "sqrt"),
        "choose": ("choose", "choose"),
        "lbrack": ("[", "["),
        "rbrack": ("]", "]"),
        "%": ("%", "%"),
        "$": ("$", "$"),
        "pounds": ("$", "£"),
        "&": ("&", "&"),
        "\\": ("\\\\", "\\\\"),
        "cr": ("\\\\", "\\\\"),
        "newline": ("\\\\", "\\\\"),
        "_": ("_", "_"),
        "#": ("#", "#"),
        "pmod": ("pmod", "mod"),
        "imath": ("sym", "i"),
        "jmath": ("sym", "j"),
        "color": ("color", "color"),
        "textcolor": ("color", "color"),
        "colorbox": ("color", "color"),
        "mathbb": ("mathbb", "mathbb"),
        "land": ("and", "∧"),
        "wedge": ("and", "∧"),
        "lor": ("or", "∨"),
        "vee": ("or", "∨"),
        "prime": ("'", "'"),
        "angle": ("label", "angle"),
        "triangle": ("label", "triangle"),
        "text": ("text", "text"),
        "left": ("skip", ""),
        "right": ("skip", ""),
        "mleft": ("skip", ""),
        "mright": ("skip", ""),
        "partial": ("sym", "∂"),
    }
)
"""Commands by name: the kind of token and its text."""
COMMANDS |= {name: ("skip", "") for name in SKIPPED | STYLES | TEXT_STYLES.keys() if name.isalpha()}
COMMANDS |= {name: ("accent", name) for name in ACCENTS}
COMMANDS |= {name: (name, name) for name in ("begin", "end")}

LONGEST_COMMAND = max(map(len, COMMANDS))

PLAIN_NAMES: dict[str, tuple[str, str]] = {
    "pi": ("sym", "π"),
    "sqrt": ("sqrt", "sqrt"),
    "infinity": ("∞", "∞"),
    "infty": ("∞", "∞"),
    "inf": ("∞", "∞"),
    "oo": ("∞", "∞"),
    "mod": ("mod", "mod"),
} | {name: ("sym", name) for name in _GREEK if name.islower() and name not in ("xi", "nu", "mu")}
"""Names that stand for themselves when they are written out in letters."""

_SUPERSCRIPT_PAIRS = zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵃᵇᶜᵈᵉᵏᵐᵖʳˢᵗˣʸᶻ", "0123456789+-()niabcdekmprstxyz", strict=True)
SUPERSCRIPTS = {ord(raised): plain for raised, plain in _SUPERSCRIPT_PAIRS}
_SUBSCRIPT_PAIRS = zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-=()aehijklmnoprstuvx", strict=True)
SUBSCRIPTS = {ord(low): plain for low, plain in _SUBSCRIPT_PAIRS}

_VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9),
    "⅒": (1, 10),
}  # fmt: skip
_GREEK_LETTERS = zip("αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΠΣΥΦΨΩℓℏ", [name for name in _GREEK if name != "aleph"], strict=True)
FOLDED: dict[int, str] = {ord(letter): f"\\{name} " for letter, name in _GREEK_LETTERS}
FOLDED |= {ord(glyph): f"\\frac{{{top}}}{{{bottom}}}" for glyph, (top, bottom) in _VULGAR.items()}
FOLDED |= {
    ord(glyph): replacement
    for glyph, replacement in {
        "π": "\\pi ", "𝜋": "\\pi ", "ϵ": "\\epsilon ", "ϕ": "\\phi ", "ϑ": "\\theta ", "µ": "\\mu ",
        "∞": "\\infty ", "√": "\\sqrt ", "∛": "\\sqrt[3]", "∜": "\\sqrt[4]",
        "−": "-", "–": "-", "—": "-", "﹣": "-", "－": "-", "‐": "-", "‑": "-",
        "×": "\\times ", "⋅": "\\cdot ", "·": "\\cdot ", "∙": "\\cdot ", "•": "\\cdot ", "∗": "*", "÷": "/", "⁄": "/",
        "∕": "/", "±": "\\pm ", "∓": "\\mp ", "≤": "\\le ", "≥": "\\ge ", "⩽": "\\le ", "⩾": "\\ge ", "≠": "\\ne ",
        "≈": "\\approx ", "≡": "\\equiv ", "≅": "\\cong ", "∈": "\\in ", "∉": "\\notin ", "∪": "\\cup ", "∩": "\\cap ",
        "∖": "\\setminus ",
        "⊆": "\\subseteq ", "⊇": "\\supseteq ", "⊂": "\\subset ", "∅": "\\emptyset ", "→": "\\to ", "⇒": "\\implies ",
        "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}", "ℚ": "\\mathbb{Q}", "ℕ": "\\mathbb{N}", "ℂ": "\\mathbb{C}",
        "⌊": "\\lfloor ", "⌋": "\\rfloor ", "⌈": "\\lceil ", "⌉": "\\rceil ", "∣": "|", "‖": "\\|", "⟨": "(", "⟩": ")",
        "〈": "(", "〉": ")", "…": "\\ldots ", "∠": "\\angle ", "△": "\\triangle ", "′": "'", "’": "'", "‘": "'",
        "º": "°", "˚": "°",
        "∧": "\\land ", "∨": "\\lor ", "，": ", ", "；": "; ", "：": ":", "。": ".", "（": "(", "）": ")", "％": "%",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u3000": " ", "∂": "\\partial ", "≦": "\\le ", "≧": "\\ge ",
    }.items()
}  # fmt: skip
"""Single characters as the LaTeX that they stand for."""
