"""Remarks: what is said about an answer rather than for one ("is thoroughly explained above").

Three tests, from the surest down. *Vocabulary*: the commonest evaluations, by their first words. *Form*: what speaks of
the text or of its speaker and reader rather than of its subject; a graded adjective; a participle with what it was done
by, in, or for. *The question*: one that asks for a quantity is not answered in words among which there is no number,
name, symbol, quantifier or negation.
"""

from __future__ import annotations

import re
from functools import lru_cache

from empo_rewards.extraction.wording import any_of

# --------------------------------------------------------------------------------------------------------- vocabulary

_DEGREES = any_of(
    "not very so quite too also now no already indeed most both always still rather more less only just almost even as"
    " [a-z]{3,14}ly"
)
_DEGREE = rf"(?:{_DEGREES}\b,? ){{0,4}}"
_EVALUATION = any_of(
    "correct right wrong incorrect (?:in)?accurate precise (?:in)?valid (?:un)?reasonable (?:im)?plausible sensible"
    " (?:un)?realistic helpful useful (?:un)?clear obvious evident apparent trivial nontrivial straightforward simpler?"
    " complex complicated eas(?:y|ier) hard(?:er)? tricky difficult challenging impractical (?:in)?consistent good"
    " great nice fine ok okay perfect neat elegant beautiful satisfactory satisfying (?:double-)?checked verified"
    " confirmed proven proved done (?:in)?complete final known missing hidden provided given found shown boxed below"
    " above here there ready written stated presented represented simplified approximate expected logical"
    " (?:counter)?intuitive sound solid robust meaningful relevant important (?:un)?certain unsure (?:un)?likely"
    " dependent derived obtained calculated computed determined explained listed supposed required needed asked going"
    " yet pending irrelevant ambiguous subjective debatable justified (?:un)?acceptable appropriate suitable supported"
    " possible impossible_to_(?:say|tell|know) interesting surprising long short rounded expressed in_question"
    " up_to_you independent_of true_(?:for|when|if) close off unique nonsens(?:e|ical) well[_-]defined"
    " self[_-]explanatory worth_[a-z]+ing being_[a-z]+ no_different worked_out"
    " (?!bounded)[a-z-]{3,14}(?:ed|own|ound)_(?:above|below|earlier|here)"
)
_FOLLOWS = (
    r"(?=[.,;:!)]|\s*\Z|[ \t]"
    + any_of(
        "and as because since in to for with by based but enough at that when where if or on from after here now below"
        " above too about under using given within i we you so then once again already up"
    )
    + r"\b)"
)
_TYPE = any_of(
    "number integer fraction decimal expression value function constant polynomial multiple percentage ratio range set"
    " list matter equation formula combination guess approximation estimate mistake typo bit lot"
)
_UNIT = any_of(
    "[cmk]?m meters? metres? feet inches miles units dollars cents degrees radians hours minutes seconds percent"
)
_FORMS = any_of("forms? formats? terms units? decimals? line agreement accordance box order_to simplest lowest")
_TALK = any_of(
    "same one following result answer solution calculation steps? expression value final desired required requested"
)
_SOLVE = any_of("find solve determine calculate compute answer evaluate simplify figure get verify")
_DEGREES_ABROAD = any_of("bien donc ainsi très trop muy tan molto troppo muito sehr zu also damit somit ganz очень так")
_EVALUATION_ABROAD = any_of(
    "(?:in)?coh?erente? (?:in)?cohérente? clar[ao] claire? chiar[ao] klar eindeutig offensichtlich evidente? évidente?"
    " obvi[ao] ovvi[ao] óbvi[ao] lógic[ao] logic[ao] logique logisch (?:gut_)?begründet plaus(?:ibel|ible|ibile|ível)"
    " razonable raisonnable ragionevole razoável vernünftig únic[ao] unic[ao] überprüft geprüft bestätigt korrekt"
    " (?:(?:sido|stat[ao]|été)_)?(?:verificad[ao]|verificat[ao]|vérifiée?|comprobad[ao]|confirmad[ao]|confermat[ao]"
    "|confirmée?) corrett[ao] corret[ao] correct[ao] correcte exact[aeo] esatt[ao] exat[ao] juste fausse bonne vraie"
    " facile simple difficile richtig falsch einfach leicht schwierig schwer schön gut buena fácil difícil sencilla"
    " falsa bella giusta buona semplice sbagliata simples boa certa errada trouvée gefunden"
    " очевид(?:ен|на|но) ясно ясен понятен прост(?:ой)? (?:не)?вер(?:ный|ен) (?:не)?правильный сложный найден"
)
_SPEAKER = any_of("think believe need hope will can am would have don't do_not guess got get not still")
_REMARKS = (
    rf"{_EVALUATION}{_FOLLOWS}",
    rf"in (?:its |the |a |an |their )?(?:[a-z]+ )?{_FORMS}\b",
    rf"in the {any_of('range box table figure text question problem form next previous last')}\b",
    rf"in (?:square |cubic )?{_UNIT}\b",
    rf"(?:on|at|from) the {any_of('next previous following last end bottom top table graph figure above')}\b",
    r"as (?:follows|[a-z]{3,12}ed|shown|given|above|below|before|a (?:fraction|decimal|number|percent))\b",
    r"(?:subject to|too [a-z]+|no longer|of interest|with respect to|based on|according to|of the form|to be)\b",
    r"for the (?:whole|question|problem|first|second|given)\b|within [0-9.]+ ?%|due to (?:the|a|this)\b",
    r"(?:this|that|it|these|those)(?: one)?[.!]?\s*\Z|depend(?:s|ent|ing) (?:up)?on\b|(?:left (?:as|to)|yours?)\b",
    rf"an? (?:[a-z-]+ ){{0,3}}{_TYPE}(?:[.,;:]|\s*\Z| (?:of|in|that|which|with|between|because|since|and|for|when)\b)",
    rf"the {_TALK}\b(?! (?:of )?[0-9$\\])",
    rf"to {_SOLVE} (?:the|this|how|what|for|it|out|an?|which|\$|\\)",
    rf"we {any_of('need have_to can must will first want should are start begin know get find use cannot could')}\b",
    rf"(?:i|i'm|i've) {_SPEAKER}\b",
    r"(?:let me|let's|let us|please|feel free|here (?:is|are)|here's|see (?:the|above|below)|given (?:that|the))\b",
    r"(?:what|how) (?:we|you|i)\b|(?:step [0-9]|first,|sure[,!]|since|because|suppose|assume|consider|recall) ",
    r"let \S{1,12} (?:be (?:the|an?)\b|denote|represent)",
    rf"(?:{_DEGREES_ABROAD} )?{_EVALUATION_ABROAD}(?=[.,;:!)]|\s*\Z|[ \t]"
    + any_of("con para avec pour mit für und y et e weil car com da de")
    + r"\b)",
    any_of(
        "正确 错误 不正确 合理 显然 如下 以下 上述 多少 什么 正しい correct[ao]?\\Z exacte\\Z richtig\\Z falsch\\Z"
        " verificad[ao]\\b la_misma\\b 对的 错的 很(?![多少大小]) 明显 见上 已经 簡単 明らか"
        " (?:以下|上|次)の(?:通|とお)り 合って 쉽 間違 맞습 틀렸 틀립 간단 명확 다음과_같 위와_같 см\\Z смотри"
        " siehe_oben ver_acima véase vedi voir"
    ),
)
"""What is said about an answer rather than for one, by its first words: what it is like, where it stands, how it is
written, what it rests on; a description of its type; the start of a solution; the speaker."""
_REMARK = re.compile(
    rf"{_DEGREE}(?:(?P<denied>not (?:correct|right|valid|accurate)\b"
    rf"|(?:wrong|incorrect|invalid|inaccurate)\b{_FOLLOWS})|{'|'.join(_REMARKS)})"
)
_SPEAKS_TO = re.compile(
    r"\b(?:you(?:'ll| will| can| should| would)? (?:find|get|obtain|see|need|have)|i hope|let me know|hope this)\b"
)
_REMARK_CHARS = 160
_SMALL = any_of("a an and at by for from in is it of on or the to with you")
_TITLE = re.compile(rf"(?!Step [0-9])[A-Z][\w']*(?:[ -](?:[A-Z][\w']*|{_SMALL}))*[ -][A-Z][\w']*[!?]?")

# --------------------------------------------------------------------------------------------------------------- form

_TEXT_ITSELF = re.compile(
    r"(?<![^\W\d_])(?:(?<!bounded )(?<!from )(?<!of the )(?:above|below)(?! \w)"
    r"|(?:(?:the|a|an|this|that|its|our|all|some|each|every|[a-z]+ing) (?:[a-z]+ ){0,2}|as )"
    + any_of(
        "readers? exercise appendix chapters? sections? paragraphs? derivations? workings? reasoning explanations?"
        " arguments? discussions? computations? calculations? procedure instructions? responses? thought steps algebra"
        " arithmetic analysis question imagination insight attention"
    )
    + r"|step by step|in detail|I (?:am|have|had|[a-z]+ed|gave|found|got|think|did|can|will|was)|"
    + any_of("i'm me my we us our ours you your yours let's")
    + r"|(?i:"
    + any_of(
        "paso_a_paso arriba lector ejercicio razonamiento nuestr[ao]s? hemos en_detalle"
        " étape_par_étape ci-dessus lecteur exercice notre nos nous en_détail raisonnement"
        " schritt_für_schritt oben leser übung unser(?:e[rnms]?)? ausführlich wir"
        " passo_a_passo acima leitor exercício noss[ao]s? em_detalhe"
        " passo_(?:per|dopo)_passo sopra lettore esercizio nostr[aoei]"
        " шаг_за_шагом выше читател[юя] упражнени[ея] наш(?:их|его|ему|им|ей|а|е|и)? подробно"
        " stap_voor_stap lezer oefening onze adım_adım yukarıda krok_po_kroku powyżej langkah_demi_langkah"
    )
    + r"))(?![^\W\d_])|一步|推导|推導|读者|讀者|练习|練習|上面|前面|我们|我們|上で|読者|説明|위에서|독자|설명"
)
"""Words for the text, its parts, its speaker and its reader; in the languages in which answers are announced."""
_GRADED = re.compile(
    r"(?:(?:very|quite|rather|pretty|fairly|somewhat|extremely|so|well worth|crystal|a bit|a little"
    r"|(?!countabl|uncountabl|computabl)[a-z]{3,}(?:ing|ed|ab|ib|ful|less)ly) [a-z]"
    r"|(?:muy|realmente|bastante|vraiment|très|assez|sehr|ziemlich|überraschend|recht|muito|davvero|molto|очень|весьма"
    r"|rất|sangat|çok|heel|erg|bardzo) \w|(?:fácil|difícil) de |(?:facile|difficile) (?:à|da) |(?:leicht|schwer) zu "
    r"|(?:很|非常|十分|可以|とても|매우))"
)
"""A degree or a judgement before an adjective, which one of mathematics has not; what it is like to do a thing."""
_PARTICIPLE = (
    r"(?!hundred|kindred|sacred|hatred)(?:[a-z]{2,}[^aeiou\W]ed|[a-z]{2,}[aiou]ed|"
    + any_of(
        "left shown given found known drawn built kept brought laid hidden made read taken understood written done held"
        " said told thought sent set put won lost proven seen meant spelt borne begun chosen grown driven broken spoken"
    )
    + ")"
)
_DONE = re.compile(
    rf"(?:(?:[a-z]{{3,}}ly|best|well|now|still|thus|once|already|only|not|being|to be|going to be|waiting to be) )*"
    rf"(?P<participle>{_PARTICIPLE}) (?:in|on|at|by|from|to|with|without|for|of|as|into|onto|over|up|out|off|down"
    r"|through|under|after|before|using|via|per|once|when|if|among|around|together|away|back|there|here|[a-z]{3,}ly)\b"
    rf"|(?:[a-z]+ing|there|about) to be {_PARTICIPLE}\b|worth [a-z-]+ing\b"
)
"""A participle and how, where, or for whom it was done."""
_CHANGED = re.compile(r" (?:by|to|into|at|from|up|down|of)\Z")
_THAN = re.compile(r"\bthan (?:it|one|people|most|many|expected|anticipated|that|what|first|meets)\b|\bde lo que\b"
                   r"|\bqu'il\b|\bals man\b|\bdo que\b")  # fmt: skip
_EVENT = re.compile(r"\bwhat (?:happen|did|does|do)|\bhow (?:is|are|was|were|do|does|did)\b", re.IGNORECASE)

# ------------------------------------------------------------------------------------------------------- the question

_NUMBERS = any_of(
    "zero two three four five six seven eight nine ten eleven twelve [a-z]{3,5}teen twent(?:y|ieth) thirt(?:y|ieth)"
    " fort(?:y|ieth) fift(?:y|ieth) [a-z]{3,5}ty-[a-z]+ sixty seventy eighty ninety hundred(?:th)?s?"
    " thousand(?:th)?s? millions? billions? dozen half halves thirds? quarters? (?:fif|six|seven|eigh|nin|ten)ths?"
    " twice thrice double triple pi infinity infinite(?:ly_many)? alpha beta gamma delta epsilon theta lambda mu sigma"
    " phi psi omega"
)
_NUMBERS_ABROAD = any_of(
    "zéro (?:une?|un[ao]|uma?)\\Z deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize"
    " vingt trente quarante cinquante soixante cent mille moitié demi tiers aucune? infini(?:té)? cero dos tres cuatro"
    " cinco seis siete ocho nueve diez once doce trece catorce quince veinte veinti\\w+ dieci\\w+ treinta cuarenta"
    " cincuenta sesenta setenta ochenta noventa cien(?:to)? \\w*cientos mil mitad ningun[oa] infinit[oa]s? due tre"
    " quattro cinque sei sette otto nove undici dodici tredici quattordici quindici sedici venti\\w* trenta quaranta"
    " cinquanta sessanta settanta ottanta novanta cento metà nessun[oa]? dois duas três quatro sete oito dez doze treze"
    " catorze dezess\\w+ vinte trinta quarenta cinquenta sessenta oitenta cem metade nenhuma? null eins zwei drei vier"
    " fünf sechs sieben acht neun zehn elf zwölf \\w+(?:zehn|zig|ßig|hundert|tausend) hundert tausend hälfte keine?"
    " unendlich douzaine docena dozzina dúzia dutzend дюжина ноль один одна два две три четыре пять шесть семь восемь"
    " девять десять \\w+(?:дцать|десят|сот) сорок девяносто сто двести тысяч[аи]? половина треть четверть нет"
    " бесконечн\\w+"
)
"""The same in French, Spanish, Italian, Portuguese, German and Russian."""
_QUANTIFIES = re.compile(
    rf"\b(?:{_NUMBERS}|{_NUMBERS_ABROAD}|undefined|undetermined|indeterminate|unbounded|impossible(?! to)"
    r"|inconsistent|nonexistent|certain|diverge\w*|same|equal|empty|cannot|can't|can not|none"
    r"|(?:does|do|did)(?: not|n't) exist|[b-hj-z]|not (?:defined|possible|enough|sufficient|real|an?|unique))\b"
    r"|\A(?:there (?:is|are) )?(?:(?:all|any|every|each|both|one(?! of\b)|nothing|never|neither|yes)\b"
    r"|no(?: (?:real|such|integer|valid|other|possible))?(?: \w+)?\Z)"
    r"|[零〇一二两兩三四五六七八九十百千万萬亿億半无無没沒不空任所全없]|なし|解"
)
"""A number in words, a symbol, a quantifier, a negation: what a quantity asked for may be in words."""
_PLAIN = re.compile(r"[^\d$\\=+^_<>{}()\[\]|/*%°√πθ∞∅]+")
_ASKS_QUANTITY = re.compile(
    r"\bhow (?:many|much|long|far|old|tall|fast|large|high|deep|wide|heavy|often)\b"
    r"|\b(?:compute|calculate|evaluate|simplify|expand)\b"
    r"|\b(?:find|determine|what (?:is|are|was|were|will be)|express|give)\b[^.?!\n]{0,60}?(?:\$|\\[(\[]|\b"
    + any_of(
        "values? number sum product difference quotient remainder probability area perimeter circumference volume"
        " length distance radius diameter height width percent(?:age)? ratio average mean median total cost price age"
        " degree measure coefficient integers? constant"
    )
    + r"\b)|多少|几|求|计算|\b(?:combien|cuánt[oa]s?|quant(?:i|e|os?|as)|wie ?viele?n?|сколько)\b"
    r"|\bwie (?:groß|lang|hoch|weit|schwer|alt|oft)\b",
    re.IGNORECASE,
)
_ASKS_OTHERWISE = re.compile(
    r"(?:\A|[.?!:,]\s{1,4}|\n\s{0,4}|\band )(?:which|who|whose|where|when|why|is|are|does|do|did|can|will"
    r"|what (?:kind|type|sort|shape|colou?r|name|day|month|happen\w*|conclusion|is the (?:name|locus|shape|type)))\b"
    r"[^?\n]{0,200}\?"
    r"|\b(?:whether|describe|classify|prove|state|name|locus|shape|what (?:kind|type|sort))\b|哪|什么|是否|吗"
    r"|\b(?:quel(?:le)?s?|pourquoi|welche[rsn]?|warum|cuál(?:es)?|qué|quali?|perché|quale|quais|как(?:ой|ая|ие)|почему)\b",
    re.IGNORECASE,
)
_PROMPT_CHARS = 1_000
"""Of a longer prompt its end is read: the question stands there."""


@lru_cache(maxsize=1_024)
def asks_for_quantity(prompt: str) -> bool:
    """Whether a prompt asks for a quantity and for nothing else."""
    return _ASKS_QUANTITY.search(prompt) is not None and _ASKS_OTHERWISE.search(prompt) is None


# --------------------------------------------------------------------------------------------------------------------


def remark_in(text: str, prompt: str, *, announced_by_verb: bool) -> str | None:
    """What is said about an answer rather than for one: "remark", or "denial" where it takes the answer back.

    "The answer is correct", "... is in simplest form", "Answer: due to the complexity ...". A text that begins with a
    capital behind a verb is a name ("Simple Minds"). None for an answer.

    Args:
        text: what an announcement announces, bare.
        prompt: the prompt's text. What stands in it word for word is an answer.
        announced_by_verb: the announcement ends with a verb, as "the answer is" does, not with a mark or a heading.
    """
    plain = " ".join(text[:_REMARK_CHARS].replace("’", "'").split())
    if plain.startswith("(") and plain.find(")") == len(plain) - 1:
        plain = plain[1:-1]
    folded = plain.casefold()
    named = announced_by_verb and plain[:1].isupper() and not plain.startswith(("I ", "I'", "Due ", "Based "))
    title = _TITLE.fullmatch(plain) is not None
    match = None if title or named else _REMARK.match(folded)
    if match is not None:
        asked = plain[:1].isupper() or (not announced_by_verb and folded in prompt.casefold())
        single = asked and " " not in plain  # "Answer: Correct" answers what asks for it
        return None if single else "denial" if match["denied"] else "remark"
    if not named and _SPEAKS_TO.search(folded):
        return "remark"
    if title or (named and plain.isascii()) or _PLAIN.fullmatch(plain) is None or folded in prompt.casefold():
        return None
    several = " " in plain or not plain.isascii()
    if several and _TEXT_ITSELF.search(plain):
        return "remark"
    unnamed = plain[1:] == plain[1:].lower()
    return "remark" if unnamed and _is_form(folded, prompt[-_PROMPT_CHARS:], verb=announced_by_verb) else None


def _is_form(folded: str, prompt: str, *, verb: bool) -> bool:
    """Whether words without a symbol or a name have the form of a remark, or cannot answer the question."""
    if _THAN.search(folded):
        return True
    quantified = _QUANTIFIES.search(folded) is not None
    if (verb or not folded.isascii()) and not quantified and _GRADED.match(folded):
        return True
    if not quantified and asks_for_quantity(prompt):
        return True
    done = _DONE.match(folded) if verb else None
    if done is None or (quantified and _CHANGED.search(folded[: done.end()])):
        return False
    return done["participle"] is None or not (_EVENT.search(prompt) or done["participle"] in prompt.casefold())
