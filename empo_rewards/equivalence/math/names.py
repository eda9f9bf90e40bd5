"""What the names and signs of mathematical notation stand for."""

from __future__ import annotations

from unicodedata import normalize

from empo_rewards.latex import TEXT


def listed(text: str) -> list[str]:
    """Names that are written side by side."""
    return text.split()


_GREEK = listed(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar aleph"
)
_VARIANTS = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho", "varsigma": "sigma"}

UPRIGHT_SYMBOLS = frozenset("eid")
"""Letters that are often set upright without being a unit."""

_KINDS = {
    "≤": "le leq leqslant leqq", "≥": "ge geq geqslant geqq", "≠": "ne neq", "<": "lt", ">": "gt",
    "≈": "approx simeq approxeq doteq", "≡": "equiv cong", "⇒": "iff implies Rightarrow Leftrightarrow",
    "→": "to rightarrow mapsto longrightarrow", "*": "cdot times ast bullet", "/": "div", "±": "pm", "∓": "mp",
    "frac": "frac dfrac tfrac cfrac", "binom": "binom dbinom tbinom", "sqrt": "sqrt", "choose": "choose",
    "|": "vert lvert rvert mid", "‖": "lVert rVert Vert |", "(": "langle lgroup lparen", ")": "rangle rgroup rparen",
    "[": "lbrack", "]": "rbrack", r"\{": "lbrace {", r"\}": "rbrace }", "⌊": "lfloor llcorner", "⌋": "rfloor lrcorner",
    "⌈": "lceil ulcorner", "⌉": "rceil urcorner", "∞": "infty", "∅": "emptyset varnothing", "∈": "in", "∉": "notin",
    "∪": "cup", "∩": "cap", "∖": "setminus backslash smallsetminus", "⊆": "subseteq", "⊇": "supseteq", "⊂": "subset",
    "…": "ldots cdots dots dotsc dotsb dotsm dotsi", "%": "%", "$": "$", "&": "&", "_": "_", "#": "#", "'": "prime",
    "\\\\": "\\ cr newline", "mod": "mod bmod", "mathbb": "mathbb", "begin": "begin", "end": "end",
    "quad": "quad qquad", "color": "color textcolor colorbox", "upright": "mathrm operatorname ce",
    "text": " ".join(TEXT), "style": "mathbf mathit mathsf mathtt boldsymbol bm boxed fbox pmb variable",
    "skip": "left right mleft mright middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle "
    "textstyle scriptstyle limits nolimits , ; : > ! rm bf it sf space thinspace enspace negthinspace hline cdotp "
    "normalsize large Large small",
}  # fmt: skip
"""Commands by the kind of their token. The last five are no tokens: a color, styles of the argument, switches."""

_TEXTS = {
    "sym": {"e": "exponentialE", "i": "imaginaryI imaginaryJ imath", "j": "jmath", "π": "pi", "∂": "partial"}
    | {name: name for name in _GREEK},
    "and": {"∧": "land wedge"}, "or": {"∨": "lor vee"}, "pmod": {"mod": "pmod"}, "$": {"£": "pounds"},
    "large": {name: name for name in ("sum", "prod", "int", "lim")},
    "label": {name: name for name in ("angle", "triangle")},
    "accent": {name: name for name in listed(
        "overline bar hat widehat tilde widetilde dot ddot underline overrightarrow overleftrightarrow vec mathcal "
        "mathfrak mathscr"
    )},
}  # fmt: skip
"""Commands by the kind and the text of their token."""

COMMANDS: dict[str, tuple[str, str]] = {name: (kind, kind) for kind, names in _KINDS.items() for name in names.split()}
COMMANDS |= {
    name: (kind, text) for kind, texts in _TEXTS.items() for text, names in texts.items() for name in names.split()
}
COMMANDS |= {name: ("sym", plain) for name, plain in _VARIANTS.items()} | dict.fromkeys(" \n\t", ("skip", "skip"))
"""Commands by name: the kind of token and its text."""

LONGEST_COMMAND = max(map(len, COMMANDS))

PLAIN_NAMES: dict[str, tuple[str, str]] = {
    "pi": ("sym", "π"), "sqrt": ("sqrt", "sqrt"), "mod": ("mod", "mod")
} | dict.fromkeys(("infinity", "infty", "inf", "oo"), ("∞", "∞"))  # fmt: skip
PLAIN_NAMES |= {name: ("sym", name) for name in _GREEK if name.islower() and name not in ("xi", "nu", "mu")}
"""Names that stand for themselves when they are written out in letters."""

_SUPERSCRIPT_PAIRS = zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵃᵇᶜᵈᵉᵏᵐᵖʳˢᵗˣʸᶻ", "0123456789+-()niabcdekmprstxyz", strict=True)
SUPERSCRIPTS = {ord(raised): plain for raised, plain in _SUPERSCRIPT_PAIRS}
_SUBSCRIPT_PAIRS = zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-=()aehijklmnoprstuvx", strict=True)
SUBSCRIPTS = {ord(low): plain for low, plain in _SUBSCRIPT_PAIRS}

_GREEK_LETTERS = zip("αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΠΣΥΦΨΩℓℏ", [name for name in _GREEK if name != "aleph"], strict=True)
FOLDED: dict[int, str] = {ord(letter): f"\\{name} " for letter, name in _GREEK_LETTERS}
FOLDED |= {
    ord(glyph): "\\frac{{{}}}{{{}}}".format(*normalize("NFKC", glyph).split("⁄")) for glyph in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
}
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
