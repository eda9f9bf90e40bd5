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

UPRIGHT_SYMBOLS = frozenset("eid")  # letters that are often set upright without being a unit

_KINDS = {
    "≤": "le leq leqslant leqq", "≥": "ge geq geqslant geqq", "≠": "ne neq", "<": "lt", ">": "gt",
    "≈": "approx simeq approxeq doteq", "≡": "equiv cong", "⇒": "implies Rightarrow", "⇔": "iff Leftrightarrow",
    "→": "to rightarrow mapsto longrightarrow", "*": "cdot ast bullet", "/": "div", "±": "pm", "∓": "mp",
    "frac": "frac dfrac tfrac cfrac", "binom": "binom dbinom tbinom", "sqrt": "sqrt", "choose": "choose",
    "|": "vert lvert rvert mid", "‖": "lVert rVert Vert |", "(": "lgroup lparen", ")": "rangle rgroup rparen",
    "[": "lbrack", "]": "rbrack", r"\{": "lbrace {", r"\}": "rbrace }", "⌊": "lfloor llcorner", "⌋": "rfloor lrcorner",
    "⌈": "lceil ulcorner", "⌉": "rceil urcorner", "∞": "infty", "∅": "emptyset varnothing", "∈": "in", "∉": "notin",
    "∪": "cup bigcup", "∩": "cap bigcap", "∖": "setminus backslash smallsetminus", "⊆": "subseteq",
    "⊇": "supseteq", "⊂": "subset", ":": "colon", "…": "ldots cdots dots dotsc dotsb dotsm dotsi", "%": "%", "$": "$",
    "&": "&", "_": "_", "#": "#", "'": "prime", "\\\\": "\\ cr newline", "mod": "mod bmod", "mathbb": "mathbb",
    "begin": "begin", "end": "end", "sym e": "exponentialE", "sym i": "imaginaryI imaginaryJ imath", "sym j": "jmath",
    "sym π": "pi", "sym ∂": "partial", "and ∧": "land wedge", "or ∨": "lor vee", "pmod mod": "pmod", "$ £": "pounds",
    "* ×": "times", "( ⟨": "langle", "not ¬": "neg lnot", "quad": "quad qquad", "upright": "mathrm operatorname ce",
    "text": " ".join(TEXT), "style": "mathbf mathit mathsf mathtt boldsymbol bm boxed fbox pmb variable",
    "skip": "left right mleft mright middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle "
    "textstyle scriptstyle limits nolimits , ; : > ! rm bf it sf space thinspace enspace negthinspace hline cdotp "
    "normalsize large Large small color textcolor colorbox",
}  # fmt: skip
"""Commands by the kind of their token, and its text where that is another one. The last five are no tokens: spaces,
styles of the argument, switches."""

_NAMED = {
    "sym": _GREEK, "large": ["sum", "prod", "int", "lim"], "label": ["angle", "triangle"],
    "accent": listed(
        "overline bar hat widehat tilde widetilde dot ddot underline overrightarrow overleftrightarrow vec mathcal "
        "mathfrak mathscr"
    ),
}  # fmt: skip
"""Commands whose token says their name, by its kind."""

COMMANDS: dict[str, tuple[str, str]] = {name: (kind, name) for kind, names in _NAMED.items() for name in names}
COMMANDS |= {name: (kind.split()[0], kind.split()[-1]) for kind, names in _KINDS.items() for name in names.split()}
COMMANDS |= {f"var{name}": ("sym", name) for name in listed("epsilon theta phi rho sigma")}
COMMANDS |= dict.fromkeys(" \n\t", ("skip", "skip"))
"""Commands by name: the kind of token and its text."""

LONGEST_COMMAND = max(map(len, COMMANDS))

PLAIN_NAMES = {name: ("sym", name) for name in _GREEK if name.islower() and name not in ("xi", "nu", "mu")}
PLAIN_NAMES |= {"pi": ("sym", "π"), "sqrt": ("sqrt", "sqrt"), "mod": ("mod", "mod")}
PLAIN_NAMES |= dict.fromkeys(("infinity", "infty", "inf", "oo"), ("∞", "∞"))
"""Names that stand for themselves when they are written out in letters."""

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵃᵇᶜᵈᵉᵏᵐᵖʳˢᵗˣʸᶻ"
SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
SCRIPTS = str.maketrans(SUPERSCRIPTS + SUBSCRIPTS, "0123456789+-()niabcdekmprstxyz0123456789+-=()aehijklmnoprstuvx")

_GREEK_LETTERS = zip("αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΠΣΥΦΨΩℓℏ", [name for name in _GREEK if name != "aleph"], strict=True)
FOLDED: dict[int, str] = {ord(letter): f"\\{name} " for letter, name in _GREEK_LETTERS}
FOLDED |= {ord(c): "\\frac{{{}}}{{{}}}".format(*normalize("NFKC", c).split("⁄")) for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"}
FOLDED |= {ord(glyph): f"\\mathbb{{{normalize('NFKC', glyph)}}}" for glyph in "ℝℤℚℕℂ"}
FOLDED |= {
    ord(glyph): replacement
    for glyphs, replacement in {
        "−–—‐‑": "-", "⋅·∙•": "\\cdot ", "×": "\\times ", "÷⁄∕": "/", "∣": "|", "⟨〈": "\\langle ", "⟩〉": ")",
        "º˚": "°", "，": ", ", "；": "; ", "。": ".", "π": "\\pi ", "∂": "\\partial ", "…": "\\ldots ", "∠": "\\angle ",
        "△": "\\triangle ", "∧": "\\land ", "∨": "\\lor ", "√": "\\sqrt ", "∛": "\\sqrt[3]", "∜": "\\sqrt[4]",
        "′’‘": "'",
    }.items()
    for glyph in glyphs
}  # fmt: skip
"""Single characters as the LaTeX that they stand for, where neither NFKC nor the lexer knows them."""
