r"""The words that extraction knows: how an answer is announced, what is merely said about one, where a turn ends.

One table for all extractors. A search with one of these expressions is linear: what it repeats is bounded, or is one
class of characters behind a literal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# ----------------------------------------------------------------------------------------------------- announcements

ANSWER_NOUNS = tuple(
    "answer|answers|ans|respuesta|respuestas|réponse|réponses|reponse|antwort|antworten|endergebnis|resposta|respostas"
    "|risposta|risposte|antwoord|ответ|ответы|الإجابة|الاجابة|إجابة|الجواب|جواب|đáp án|đáp số|câu trả lời|उत्तर|jawaban"
    "|jawabannya|cevap|yanıt|odpowiedź|답|정답|해답|최종답|답변|답안|答案|答え|解答|正解|正答|最終解|答:|答：".split(
        "|"
    )
)
"""The nouns for an answer, in English, Spanish, French, German, Portuguese, Italian, Dutch, Russian, Arabic, Vietnamese,
Hindi, Indonesian, Turkish, Polish, Korean, Chinese, Japanese."""
CHOICE_NOUNS = tuple(
    "option|options|choice|choices|selection|alternative|letter|statement|opción|opcion|opção|alternativa|opzione"
    "|вариант"
    "|الخيار|خيار|lựa chọn|विकल्प|선택지|选项|選項|選択肢|选择|選擇".split("|")
)
"""The nouns for what is chosen, beside those for an answer."""
_FIRST_IDEOGRAPH = "\u3040"
_KOREAN_PARTICLES = "은는이가"


def _nouns(text: str, start: int, end: int, nouns: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the nouns stand, as words of their own where the language sets words apart."""
    lowered = text[start:end].replace("İ", "I").lower()
    for noun in nouns:
        ideographs = _FIRST_IDEOGRAPH <= noun[0] < "\uac00"
        position = lowered.find(noun)
        while position >= 0:
            after = position + len(noun)
            behind = lowered[after : after + 1]
            if ideographs or not (
                lowered[max(0, position - 1) : position].isalpha()
                or (behind.isalpha() and behind not in _KOREAN_PARTICLES)
            ):
                yield start + position, start + after - (noun[-1] in ":：")
            position = lowered.find(noun, after)


def names_answer(text: str) -> bool:
    """Whether a text speaks of an answer at all."""
    lowered = text.lower()
    return any(noun in lowered for noun in ANSWER_NOUNS)


_NOTE = r"(?:[ \t]{0,3}[(（\[][^()（）\[\]\n]{0,80}[)）\]])?"
_QUALIFIER = (  # "(arabic numerals)", "to the question", "in simplest form", "a la pregunta", "auf die Frage"
    rf"{_NOTE}(?:[ \t]{{1,3}}(?:to|for|of|in|as|rounded|expressed|we|I|you|that|which|given|when|after|choice|option"
    rf"|key"
    r"|value|here|finale?|correct[ao]|corret[ao]|cert[ao]|correcte|corretta|exact[ae]|definitiv[ao]|al?|à|aux?|alla"
    r"|para|pour|por|que|de|del|du|d[aio]|en|em|auf|der|zu|für|im|на|к|в|задачи|النهائية|النهائي|الصحيحة|الصحيح|على|هنا"
    r"|إذن|cuối cùng|đúng"
    rf"|của|cho|akhir(?:nya)?|yang|benar|dari|untuk)(?![^\W\d_])[^\n.:：;$\\=?!(（]{{0,80}}?)?{_NOTE}(?:,"
    rf"[^,\n.:=]{{1,40}}(?:,|(?=[:：])))?"
)
_ADVERB = r"(?:[ \t]{1,3}(?:therefore|thus|then|hence|also|clearly|simply|indeed|still|actually|now))?"
_VERB = (
    r"(?:(?P<modal>(?:should|must|has to|will)(?: therefore| thus| then)? (?:be|equal))|is|are|was|equals?|becomes"
    r"|would be|seems? to be|appears? to be|turns? out to be|comes? out (?:to be|as|to)|works? out to(?: be)?|remains"
    r"|es|son|ser[íi]a|ser[áa]|est|sont|serait|sera|ist|lautet|w[äa]re|beträgt|é|è|são|sarebbe|adalah|là|jest|равен"
    r"|равна|равно|это|составляет|هو|هي|है)(?![^\W\d_])"
)
_LINK = re.compile(
    rf"[*_]{{0,3}}(?:{_QUALIFIER}(?:[ \t]{{0,4}}[*_]{{0,3}}[ \t]{{0,2}}(?P<mark>[:：]|[=-]>|[→⇒⟹]|=(?!=)|—|–"
    rf"|(?<=[ \t])-(?=[ \t]))|{_ADVERB}[ \t\n]{{1,4}}(?P<verb>{_VERB}))|{_NOTE}(?:的)?[ \t*_]{{0,4}}[】\]]?(?:应该|應該|应当|应"
    rf"|應|就|便|则|因此|也|只能)?"
    r"(?P<cjk>不是[^。\n]{1,40}?[，,]?而是|是|为|為|选(?:择|(?!项))|選(?:擇|(?!項))|等于|等於|[:：=]|は|が|[은는이]|(?<=】)))",
    re.IGNORECASE,
)
_LINK_CHARS = 320
_HEADING = re.compile(
    r"^[ \t]{0,4}(?:#{1,6}[ \t]{1,3}|[*_]{1,3}|[0-9][.)][ \t])[*_]{0,3}(?:the |my )?(?:final |correct )?(?:answers?"
    r"|ans|result)[*_]{0,4}[:：]?[*_]{0,4}[ \t]{0,4}(?=\r?\n)|\bfinal[ \t]{1,4}answers?[*_ \t]{0,5}(?=\r?\n)"
    r"|^[ \t]{0,4}[*_]{0,3}ans\.[*_]{0,3}(?=[ \t]{0,3}\S)",
    re.IGNORECASE | re.MULTILINE,
)
_PICKED = re.compile(
    r"(?:故|应|應|所以|因此|综上|本题|答案|我|(?<=[，,。；;\s])|^)[，,]?应?(?:本题)?[选選](?:择|擇)?(?P<mark>[:：]?)[ \t]{0,3}(?=[*($（\\]{0,4}"
    r"[A-Z])"
)
_BEHIND = re.compile(  # "42 is the final answer", "(C) is the correct choice"
    r"[ \t](?:is|are)(?: therefore| thus| indeed| clearly| then| likely)?[ \t](?:the|our|my)(?:[ \t](?:final|correct"
    r"|right|best|only|most|likely|appropriate|suitable|accurate|logical|plausible)){0,3}[ \t](?:answer|option"
    r"|choice)\b"
)
_VALUE_BEFORE = re.compile(
    r"(?:\*\*[^*\n]{1,60}\*\*|\$[^$\n]{1,80}\$|\\\([^\n]{1,80}?\\\)|(?<![\w.\\^{])[-−+]?[0-9][0-9.,/]{0,20}|\([A-Z]\)"
    r"|(?<![\w.'\\^{])[A-Z])\Z"
)
_UNANNOUNCED = re.compile(  # before an announcement: it is supposed, or is somebody else's
    r"\b(?:if|whether|unless|suppose|supposing|assume|assuming|wrong|incorrect|false|previous|earlier|initial|possible"
    r"|alternative|common|typical|partial|another|no|any|an|student'?s|their|wenn|falls|si|se|если|ob)(?:[ \t](?:that"
    r"|the|an|your|my|our|final|correct|die|la|le|el)){0,4}[ \t]\Z|(?:如果|若|假设|假如)[^。，\n]{0,8}\Z",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"(?<![^\W\d_])(?:no|not|ne|n'|nicht|kein|não|non|не|不|并非)(?![^\W\d_])", re.IGNORECASE)
_NOTED = re.compile(_NOTE[3:-2])
_BEFORE_CHARS = 48


class Announcement(NamedTuple):
    """Words that announce an answer: where they begin; where the answer may begin; and how they announce it.

    `value_end` is set where the answer stands before the words ("42 is the final answer"): there it ends.
    """

    start: int
    end: int
    modal: bool = False
    verb: bool = False
    value_end: int | None = None


def announcements(text: str, start: int, end: int, *, choices: bool = False) -> list[Announcement]:
    """The announcements in a span of a text, by where they begin.

    Args:
        text: the whole text.
        start, end: the span that is searched.
        choices: whether "the option is" and the like announce an answer too.
    """
    return sorted(_announcements(text, start, end, ANSWER_NOUNS + CHOICE_NOUNS if choices else ANSWER_NOUNS))


def _announcements(text: str, start: int, end: int, nouns: tuple[str, ...]) -> Iterator[Announcement]:
    found = list(_nouns(text, start, end, nouns))
    for begin, behind in found:
        if _UNANNOUNCED.search(text[max(start, begin - _BEFORE_CHARS) : begin]):
            continue
        link = _LINK.match(text, behind, min(end, behind + _LINK_CHARS))
        if link is not None and not _NEGATED.search(_NOTED.sub("", text[behind : link.start(link.lastgroup or 0)])):
            yield Announcement(begin, link.end(), link["modal"] is not None, link["verb"] is not None)
    for match in _HEADING.finditer(text, start, end):
        yield Announcement(match.start(), match.end())
    if "选" in text or "選" in text:
        for match in _PICKED.finditer(text, start, end):
            yield Announcement(match.start(), match.end())
    for match in _BEHIND.finditer(text, start, end) if found else ():
        value = _VALUE_BEFORE.search(text, max(start, match.start() - _VALUE_CHARS), match.start())
        if value is not None and not _UNANNOUNCED.search(
            text[max(start, value.start() - _BEFORE_CHARS) : value.start()]
        ):
            yield Announcement(value.start(), value.start(), value_end=value.end())


_VALUE_CHARS = 90

LEAD = re.compile(  # what may stand between the words that announce an answer and the answer
    r"(?:[\s*_:：\u2600-\u27bf\ufe0f\U0001f300-\U0001faff]|,(?=\s)|(?:most )?(?:likely|probably|certainly|definitely"
    r"|perhaps|maybe|possibly)\b|(?:[Ww]e|[Yy]ou|I) (?:get|got|have|obtain|find)\b(?=[^.\n]{1,3}[0-9$\\])|(?:[Ii]t"
    r"|[Tt]hat)'s(?=[ \t][-0-9$\\(*])|(?:therefore|thus|hence|then|simply|indeed|just|only|actually|clearly|obviously"
    r"|also|still|always|now|namely|that)\b,?|[Ee]xactly\b|[Pp]recisely\b|equals?(?: to)?\b|of course\b|in fact\b"
    r"|(?:[a-z]{1,12}ly )?(?:given|found|determined|calculated|computed|expressed|written|represented|stated|shown"
    r"|simplified|derived|obtained|described|summarized|encapsulated|presented|listed)[ \t](?:to be|to equal|as follows"
    r"|as|by)\b(?![ \t][a-z]{1,12}ing\b)|(?:simplified|reduced)[ \t]to[ \t](?=[0-9$\\])|as follows\b|(?:the "
    r"|an? )?(?:number|value|integer|fraction|set|interval|point)[ \t](?=[0-9$\\(\[{-])|-{3,}|={3,}){0,24}"
)
NOT_BUT = re.compile(
    r"(?:not|never|nicht|no)\b[^.\n;]{1,60}?(?:, | )(?:but|sondern|sino)(?: rather| instead)? ", re.IGNORECASE
)
ASIDE = (  # the words with which a clause about the answer begins, once it has been given
    r"so|because|since|as|which|where|when|whose|who|therefore|hence|thus|i\.e|that is|this|these|it|we|there|giving"
    r"|making|meaning|but|the product|the sum|the difference|the total|rounded|using|given|from|see|note"
    r"|or equivalently"
)
CJK_ASIDE = r"因为|因此|所以|故|即|其中|这|由于|也就是|可知|可得|选项|则|但|而|以上|なぜなら|つまり|よって"
WHICH_IS = re.compile(r",[ \t]which[ \t](?:is|equals)(?:[ \t]equal[ \t]to)?[ \t]")
RESTATED = re.compile(r"the (?:[a-z-]+ ){1,3}(?:of|between|from|for|in)\b")
TAIL = re.compile(  # the verb of a sentence that ends with it
    r"[ \t]{0,2}(?:です|である|だ|になります|となります|となる|입니다|이다|이에요|예요|है|hai|dir|dır)[ \t]{0,2}\Z|"
    r"[\s*_\u2600-\u27bf\ufe0f\U0001f300-\U0001faff]+\Z"
)

TAIL_CHARS = 12

# ------------------------------------------------------------------------------------------------------------ remarks

_DEGREE = r"(?:(?:not|very|so|quite|too|also|now|no|already|indeed|most|both|always|still|rather|more|less|only|just|almost|even|as|[a-z]{3,14}ly)\b,? ){0,4}"
_EVALUATION = (
    r"(?:correct|right|wrong|incorrect|(?:in)?accurate|precise|(?:in)?valid|(?:un)?reasonable|(?:im)?plausible|sensible"
    r"|(?:un)?realistic|helpful|useful|(?:un)?clear|obvious|evident|apparent|trivial|nontrivial|straightforward"
    r"|simpler?|complex|complicated|eas(?:y|ier)|hard(?:er)?|tricky|difficult|challenging|impractical|(?:in)?consistent"
    r"|good|great|nice|fine|ok|okay|perfect|neat|elegant|beautiful|satisfactory|satisfying|(?:double-)?checked|verified"
    r"|confirmed|proven|proved|done|(?:in)?complete|final|known|missing|hidden|provided|given|found|shown|boxed|below"
    r"|above|here|there|ready|written|stated|presented|represented|simplified|approximate|expected|logical"
    r"|(?:counter)?intuitive|sound|solid|robust|meaningful|relevant|important|(?:un)?certain|unsure|(?:un)?likely"
    r"|dependent|derived|obtained|calculated|computed|determined|explained|listed|supposed|required|needed|asked|going"
    r"|yet|pending|irrelevant|ambiguous|subjective|debatable|justified|(?:un)?acceptable|appropriate|suitable|supported"
    r"|possible|impossible to (?:say|tell|know)|interesting|surprising|long|short|rounded|expressed|in question"
    r"|up to you|independent of|true (?:for|when|if)|close|off|unique|nonsens(?:e|ical)|well[ -]defined"
    r"|self[ -]explanatory|worth [a-z]+ing|being [a-z]+|no different|worked out|[a-z-]{3,14}(?:ed|own|ound) (?:above"
    r"|below|earlier|here))"
)
_FOLLOWS = (
    r"(?=[.,;:!)]|\s*\Z|[ \t](?:and|as|because|since|in|to|for|with|by|based|but|enough|at|that|when|where|if|or|on"
    r"|from|after|here|now|below|above|too|about|under|using|given|within|i|we|you|so|then|once|again|already|up)\b)"
)
_TYPE = r"(?:number|integer|fraction|decimal|expression|value|function|constant|polynomial|multiple|percentage|ratio|range|set|list|matter|equation|formula|combination|guess|approximation|estimate|mistake|typo|bit|lot)"
_REMARK = re.compile(
    rf"{_DEGREE}(?:(?P<denied>not (?:correct|right|valid|accurate)\b|(?:wrong|incorrect|invalid"
    rf"|inaccurate)\b{_FOLLOWS})|{_EVALUATION}{_FOLLOWS}"
    r"|in (?:its |the |a |an |their )?(?:[a-z]+ )?(?:form|format|terms|units?|decimals?|line|agreement|accordance|box"
    r"|order to|simplest|lowest|question)\b|as (?:follows|[a-z]{3,12}ed|shown|given|above|below|before|a (?:fraction"
    r"|decimal|number|percent))\b|subject to\b|too [a-z]+\b|no longer\b|in (?:square |cubic )?(?:[cmk]?m|meters?"
    r"|metres?|feet|inches|miles|units|dollars|cents|degrees|radians|hours|minutes|seconds|percent)\b|in the (?:range"
    r"|box|table|figure|text|question|problem|range|form|next|previous|last)\b|(?:on|at|from) the (?:next|previous"
    r"|following|last|end|bottom|top|table|graph|figure|calculation|above)\b|of interest\b|with respect to\b"
    r"|for the (?:whole|question|problem|first|second|given)\b|within [0-9.]+ ?%|(?:this|that|it|these"
    r"|those)(?: one)?[.!]?\s*\Z|based on\b|due to (?:the|a|this)\b|according to\b|of the form\b|to be\b"
    r"|after [a-z]+ing\b|depend(?:s|ent|ing) (?:up)?on\b"
    rf"|an? (?:[a-z-]+ ){{0,3}}{_TYPE}(?:[.,;:]|\s*\Z| (?:of|in|that|which|with|between|because|since|and|for|when)\b)"
    r"|the (?:same|one|following|result|answer|solution|calculation|steps?|expression|value|final|desired|required"
    r"|requested)\b(?! (?:of )?[0-9$\\])|to (?:find|solve|determine|calculate|compute|answer|evaluate|simplify|figure"
    r"|get|verify) (?:the|this|how|what|for|it|out|an?|which|\$|\\)|we (?:need|have to|can|must|will|first|want|should"
    r"|are|start|begin|know|get|find|use|cannot|could)\b|(?:i|i'm|i've) (?:think|believe|need|hope|will|can|am|would"
    r"|have|don't|do not|guess|got|get|not|still)\b|let me\b|let's\b|let us\b|please\b|feel free\b|here (?:is|are)\b"
    r"|here's\b|see (?:the|above|below)\b|step [0-9]|first, |since |because |suppose |assume |consider |recall "
    r"|note that |sure[,!]|given (?:that|the)\b|what (?:we|you|i)\b|how (?:we|you|i)\b|when \b|why \b|left as\b"
    r"|left to\b|yours?\b|正确|错误|不正确|合理|显然|如下|以下|上述|多少|什么|正しい|correct[ao]?\Z|exacte\Z|richtig\Z|falsch\Z|верный"
    r"|правильный|verificad[ao]\b|la misma\b)",
)
_SPEAKS_TO = re.compile(
    r"\b(?:you(?:'ll| will| can| should| would)? (?:find|get|obtain|see|need|have)|i hope|let me know|hope this)\b"
)
_REMARK_CHARS = 160
_TITLE = re.compile(
    r"(?!Step [0-9])[A-Z][\w']*(?:[ -](?:[A-Z][\w']*|a|an|and|at|by|for|from|in|is|it|of|on|or|the|to|with"
    r"|you))*[ -][A-Z][\w']*[!?]?"
)


def remark_in(text: str, *, announced_by_verb: bool) -> str | None:
    """What is said about an answer rather than for one: "remark", or "denial" where it takes the answer back; else None.

    "The answer is correct", "... is in simplest form", "Answer: due to the complexity ...". A text that begins with a
    capital behind a verb is a name ("Simple Minds").

    Args:
        text: what an announcement announces, bare.
        announced_by_verb: the announcement ends with a verb, as "the answer is" does, not with a mark or a heading.
    """
    plain = " ".join(text[:_REMARK_CHARS].replace("’", "'").split())
    if announced_by_verb and plain[:1].isupper() and not plain.startswith(("I ", "I'", "Due ", "Based ")):
        return None
    match = None if _TITLE.fullmatch(plain) else _REMARK.match(plain.casefold())
    if match is not None:
        single = plain[:1].isupper() and " " not in plain  # "Answer: Correct" answers what asks for it
        return None if single else "denial" if match["denied"] else "remark"
    return "remark" if _SPEAKS_TO.search(plain.casefold()) else None


# -------------------------------------------------------------------------------------------------------------- turns

END_OF_TEXT = (
    r"</s>|<\|endoftext\|>|<\|end_of_text\|>|<eos>|<｜end▁of▁sentence｜>|<\|end▁of▁sentence\|>|\[/?INST\]|<eoa>|<\|EOT\|>"
    r"|<\|im_end\|>|<\|eot_id\|>|<\|eom_id\|>|<\|end\|>|<\|return\|>|<end_of_turn>|<turn\|>|<\|eot\|>"
    r"|<\|END_OF_TURN_TOKEN\|>|<\|endofassistant\|>"
)
"""The tokens with which the chat templates in use end a turn: Llama 2 to 4, Qwen, Phi, gpt-oss, Gemma, Mistral, DeepSeek,
InternLM, Command R."""
QUESTION = (
    r"^[ \t]{0,4}(?:[*_#]{1,6}[ \t]{0,2})?(?:(?P<sure>Q(?=[ \t]?[0-9]{0,3}[.:])|Human|User|问|用户|Użytkownik|Usuario"
    r"|Utilisateur|Пользователь|ユーザー|사용자)[ \t]{0,2}[0-9]{0,3}[*_]{0,3}[ \t]?[.:：]|(?P<likely>(?:(?:Next|New|Another"
    r"|Follow-?up|Additional|Bonus|Second|Third) )?(?:Question|Problem|Exercise|Instruction|Input|Pregunta|Frage"
    r"|Aufgabe|Pergunta|Domanda|Вопрос|Задача|السؤال|سؤال|问题|问題|題目|题目|例题|問題|質問|질문|문제|Câu hỏi"
    r"|प्रश्न)[ \t]{0,2}[0-9]{0,3}[*_]{0,3}[ \t]?(?:[:：]|(?=\r?\n)))|(?P<turn><\|im_start\|>user"
    r"|<\|start_header_id\|>user|<start_of_turn>user|<\|user\|>|<｜User｜>|\[INST\]))"
)
"""What begins a next question in a response that runs on, at the start of a line."""
