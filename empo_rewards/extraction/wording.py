r"""The words that extraction knows: how an answer is announced, and where a turn ends.

One table for all extractors. A search with one of these expressions is linear: what it repeats is bounded, or is one
class of characters behind a literal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple


def _words(table: str) -> tuple[str, ...]:
    """The words of a table; `_` in one stands for a space."""
    return tuple(word.replace("_", " ") for word in table.split())


def any_of(table: str) -> str:
    """An expression for one of the words of a table."""
    return "(?:" + "|".join(_words(table)) + ")"


# ----------------------------------------------------------------------------------------------------- announcements

ANSWER_NOUNS = _words(
    "ans answer answers respuesta respuestas réponse réponses reponse antwort antworten endergebnis resposta respostas"
    " risposta risposte antwoord ответ ответы الإجابة الاجابة إجابة الجواب جواب đáp_án đáp_số câu_trả_lời उत्तर jawaban"
    " jawabannya cevap yanıt odpowiedź 답 정답 해답 최종답 답변 답안 答案 答え 解答 正解 正答 最終解 答: 答："
)
"""The nouns for an answer, in English, Spanish, French, German, Portuguese, Italian, Dutch, Russian, Arabic,
Vietnamese, Hindi, Indonesian, Turkish, Polish, Korean, Chinese, Japanese."""
CHOICE_NOUNS = _words(
    "option options choice choices pick selection alternative letter statement opción opcion opção alternativa opzione"
    " вариант الخيار خيار lựa_chọn विकल्प 선택지 选项 選項 選択肢 选择 選擇"
)
"""The nouns for what is chosen, beside those for an answer."""
_LISTED_NOUNS = frozenset({"options", "choices"})
_RIGHT_ONES = re.compile(r"(?:correct|right|true|valid|best|final|my)[ \t*_]{1,4}\Z", re.IGNORECASE)
_IDEOGRAPHS = ("\u3040", "\uac00")
_KOREAN_PARTICLES = "은는이가"
_STEM_CHARS = 3


@lru_cache
def _by_stem(nouns: tuple[str, ...], ascii_only: bool) -> Mapping[str, list[str]]:
    """The nouns by their first letters, of which a search misses most."""
    stems: dict[str, list[str]] = defaultdict(list)
    for noun in nouns:
        if noun.isascii() or not ascii_only:
            stems[noun[:_STEM_CHARS]].append(noun)
    return stems


def _nouns(text: str, start: int, end: int, nouns: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the nouns stand, as words of their own where the language sets words apart."""
    lowered = text[start:end].replace("İ", "I").lower()
    for stem, forms in _by_stem(nouns, lowered.isascii()).items():
        for noun in forms if stem in lowered else ():
            position = lowered.find(noun)
            apart = not _IDEOGRAPHS[0] <= noun[0] < _IDEOGRAPHS[1]
            while position >= 0:
                after = position + len(noun)
                before, behind = lowered[max(0, position - 1) : position], lowered[after : after + 1]
                if not apart or not (before.isalpha() or (behind.isalpha() and behind not in _KOREAN_PARTICLES)):
                    yield start + position, start + after - (noun[-1] in ":：")
                position = lowered.find(noun, after)


_NOTE = r"(?:[ \t]{0,3}[(（\[][^()（）\[\]\n]{0,80}[)）\]])?"
_QUALIFIES = any_of(
    "to for of in as rounded expressed we I you that which given when after choice option key value here finale?"
    " correct[ao] corret[ao] cert[ao] correcte corretta exact[ae] definitiv[ao] (?-i:al?) à aux? alla para pour por que"
    " de del du d[aio] en em auf der zu für im на к в задачи النهائية النهائي الصحيحة الصحيح على هنا إذن cuối_cùng đúng"
    " của cho akhir(?:nya)? yang benar dari untuk"
)
_QUALIFIER = (  # "(arabic numerals)", "to the question", "a la pregunta", "auf die Frage", ", rounded down,"
    rf"{_NOTE}(?:[ \t]{{1,3}}{_QUALIFIES}(?![^\W\d_])(?:\"[^\"\n]{{0,80}}\"|[^\n.:：;$\\=?!(（\"]){{0,80}}?)?{_NOTE}"
    r"(?:,[^,\n.:=]{1,40}(?:,|(?=[:：])))?"
)
_ADVERB = rf"(?:[ \t]{{1,3}}{any_of('therefore thus then hence also clearly simply indeed still actually now')})?"
_MODAL = "(?P<modal>(?:should|must|has to|will)(?: therefore| thus| then)? (?:be|equal))"
_VERBS = any_of(
    "is are was equals? becomes would_be seems?_to_be appears?_to_be turns?_out_to_be comes?_out_(?:to_be|as|to)"
    " works?_out_to(?:_be)? remains es son ser[íi]a ser[áa] est sont serait sera ist lautet w[äa]re beträgt é è são"
    " sarebbe adalah là jest равен равна равно это составляет هو هي है"
)
_CJK_VERBS = (
    r"不是[^。\n]{1,40}?[，,]?而是|是|为|為|选(?:择|(?!项))|選(?:擇|(?!項))|等于|等於|[:：=]|は|が|[은는이]|(?<=】)"
)
NEGATES = r"(?:(?:(?:is|are|was|were)n['’]t|not|never|n['’]est pas|no es|non è|não é|nicht|не|nie jest)(?![^\W\d_]))"
_MARK = r"(?P<mark>(?<=final_answer)\((?=[\"'0-9-])|[:：]|[=-]>|[→⇒⟹]|=(?!=)|—|–|(?<=[ \t])-(?=[ \t]))"
_LINK = re.compile(
    rf"[*_]{{0,3}}{_QUALIFIER}(?:[ \t]{{0,4}}[*_]{{0,3}}[ \t]{{0,2}}{_MARK}"
    rf"|{_ADVERB}[ \t\n]{{1,4}}(?P<verb>(?:{_MODAL}|{_VERBS})(?![^\W\d_])|(?=(?!not|never){NEGATES})))"
    rf"|{_NOTE}的?[ \t*_]{{0,4}}[】\]]?{any_of('应该 應該 应当 应 應 就 便 则 因此 也 只能')}?(?P<cjk>{_CJK_VERBS})"
    r"|(?<=उत्तर)[ \t](?=[^\n।]{1,60}[ \t](?:है|हैं)[ \t]{0,2}(?:[।.\n]|\Z))",
    re.IGNORECASE,
)
_LINK_CHARS = 320
_HEADING = re.compile(
    r"^[ \t]{0,4}(?:#{1,6}[ \t]{1,3}|[*_]{1,3}|[0-9][.)][ \t])[*_]{0,3}(?:the |my )?(?:final |correct )?"
    r"(?:answers?|ans|result)[*_]{0,4}[:：]?[*_]{0,4}[ \t]{0,4}(?=\r?\n)|\bfinal[ \t]{1,4}answers?[*_ \t]{0,5}(?=\r?\n)"
    r"|^[ \t]{0,4}[*_]{0,3}ans\.[*_]{0,3}(?=[ \t]{0,3}\S)|^[ \t]{0,4}answer[ \t]{0,4}(?=(?:\r?\n){1,2}[-0-9$\\(*])",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING_NOUNS = ("result",)
"""Nouns that announce an answer as a heading only."""
_HEADING_CHARS = 32
"""A heading has no more characters before its noun, or behind it."""
_PICKED = re.compile(  # 故选：B
    r"(?:故|应|應|所以|因此|综上|本题|答案|我|(?<=[，,。；;\s])|^)[，,]?应?(?:本题)?[选選](?:择|擇)?[:：]?"
    r"[ \t]{0,3}(?=[*($（\\]{0,4}[A-Z])"
)
_BEHIND = re.compile(  # "42 is the final answer", "(C) is the correct choice"
    r"[ \t](?:is|are)(?: therefore| thus| indeed| clearly| then| likely)?[ \t](?:the|our|my)(?:[ \t]"
    rf"{any_of('final correct right best only most likely appropriate suitable accurate logical plausible')}){{0,3}}"
    r"[ \t](?:answer|option|choice)\b"
)
_VALUE_BEFORE = re.compile(
    r"(?:\*\*[^*\n]{1,60}\*\*|\$[^$\n]{1,80}\$|\\\([^\n]{1,80}?\\\)|(?<![\w.\\^{])[-−+]?[0-9][0-9.,/]{0,20}|\([A-Z]\)"
    r"|(?<![\w.'\\^{])[A-Z])\Z"
)
_VALUE_CHARS = 90
_OTHERS = any_of(
    "if whether unless suppose supposing assume assuming wrong incorrect false previous earlier initial possible"
    " alternative common typical partial another no any an each every potential naive unlikely doubtful impossible"
    " improbable implausible untrue unclear no_way student'?s their wenn falls si se если ob worst least_likely"
    " (?:second|next)[_-]best tempting"
    " (?:mistake|misconception|misunderstanding|trap|fallacy)(?:[:,]|_is)?(?:_to_(?:say|think))?"
)
_NOBODY = r"(?:not|never|cannot|nobody|no one|hardly|\w{2,6}n['’]t)"
_DOUBTED = (  # "I don't think", "it is not true", "we doubt", "it is tempting to say", "the textbook's"
    rf"{_NOBODY}(?: {any_of('really actually quite at_all yet even necessarily want_to should would have to be been')})"
    "{0,3} (?:think|thought|believe|see|say|said|mean|claim|conclude|suppose|agree|guess|feel|expect|imagine|write"
    "|accept|sure|certain|convinced|clear|true|the case|be(?= that))(?: (?:how|why))?"
    r"|doubt(?:s|ed)?(?<!no doubt)(?<!not doubt)(?<!t doubt)(?<!a doubt)(?<!any doubt)(?<!little doubt)(?<!yond doubt)"
    "(?: if| whether)?"
    "|(?:wrong|incorrect|false|mistaken?|error|misleading|tempting|tempted|absurd|naive|premature)"
    " to (?:say|think|believe|claim|conclude|assume|answer|suppose|write)"
)
_UNANNOUNCED = re.compile(  # before an announcement: it is supposed, denied, doubted, or somebody else's
    rf"\b(?:{_OTHERS}|{_DOUBTED})"
    rf"(?:[ \t]{any_of('that the an your my our final correct answer die la le el')}){{0,4}}[ \t]\Z"
    r"|['’]s(?<!\b(?:it|he).s)(?<!\b(?:let|she|who).s)(?<!(?:that|this|here|what|task).s)(?<!(?:there|today).s)"
    r"(?<!puzzle.s)(?<!problem.s)(?<!(?:question|exercise|equation).s)(?: (?:final|correct|own|first))? \Z"
    r"|(?:如果|若|假设|假如)[^。，\n]{0,8}\Z",
    re.IGNORECASE,
)
_CLAIMS = _words(
    "say says said claim claims claimed think thinks thought believe believes believed argue argues argued assume"
    " assumes assumed guess guesses guessed"
)
_ATTRIBUTED = re.compile(  # "Tom claims that the final "
    rf"(?<=\w )(?:{'|'.join(_CLAIMS)})(?:,|[ \t]that)?(?:[ \t](?:the|his|her|their|final|correct)){{0,3}}[ \t]\Z"
)
_CLAIM = frozenset(_CLAIMS) | {f"{word}," for word in _CLAIMS}
_OWN = re.compile(r"\b(?:I|[Ww]e|to)\b[^.!?;:\n]{0,40}\Z")
COUNTERFACTUAL = re.compile(r"\b(?:[Ii]f\b[^.!?\n]{0,60}[ \t](?:were|had)|[Ww]ere|[Hh]ad)\b[^.!?\n]{0,60}\Z")
_UNLESS_IT_WERE = re.compile(r"[^.!?\n]{1,40}[ \t]if\b[^.!?\n]{0,60}[ \t](?:were|had)\b")
_BEFORE_CHARS = 48
_SUPPOSED_CHARS = 96
_NOT = any_of("no not ne n' nicht kein não non не 不 并非")
_NEGATED = re.compile(rf"(?<![^\W\d_]){_NOT}(?![^\W\d_])", re.IGNORECASE)
_NOTED = re.compile(_NOTE.removesuffix("?"))


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


def announces(text: str, start: int, end: int) -> bool:
    """Whether a span of a text announces an answer."""
    return next(_announcements(text, start, end, ANSWER_NOUNS), None) is not None


def _announcements(text: str, start: int, end: int, nouns: tuple[str, ...]) -> Iterator[Announcement]:
    def announced(position: int) -> bool:
        before = text[max(start, position - _BEFORE_CHARS) : position]
        if not _CLAIM.isdisjoint(before.split()):
            claimed = _ATTRIBUTED.search(before)
            if claimed is not None and _OWN.search(before[: claimed.start()]) is None:
                return False
        return _UNANNOUNCED.search(before) is None

    def listed(begin: int, behind: int) -> bool:
        """Whether a noun is for all choices ("let's evaluate the options: A. ..."), not for the right ones."""
        before = text[max(start, begin - _BEFORE_CHARS) : begin]
        one = text.startswith(" is ", behind)  # "the best answer among the options is B"
        return not one and text[begin:behind].lower() in _LISTED_NOUNS and _RIGHT_ONES.search(before) is None

    def supposed(begin: int, link: re.Match[str]) -> bool:
        """Whether "the answer would be" is said of what is not so: "if he had eaten two"."""
        if "would" not in link.group():
            return False
        before = text[max(start, begin - _SUPPOSED_CHARS) : begin]
        return bool(COUNTERFACTUAL.search(before) or _UNLESS_IT_WERE.match(text, link.end(), end))

    named = list(_nouns(text, start, end, nouns))
    found = [(begin, behind) for begin, behind in named if announced(begin) and not listed(begin, behind)]
    for begin, behind in found:
        link = _LINK.match(text, behind, min(end, behind + _LINK_CHARS))
        if link is None or supposed(begin, link):
            continue
        if not _NEGATED.search(_NOTED.sub("", text[behind : link.start(link.lastgroup or 0)])):
            yield Announcement(begin, link.end(), link["modal"] is not None, link["verb"] is not None)
    for begin, behind in (*named, *_nouns(text, start, end, _HEADING_NOUNS)):
        for match in _HEADING.finditer(text, max(start, begin - _HEADING_CHARS), min(end, behind + _HEADING_CHARS)):
            if match.start() <= begin < match.end():
                yield Announcement(match.start(), match.end())
    if max(text.find(pick, start, end) for pick in "选選") >= 0:
        for match in _PICKED.finditer(text, start, end):
            yield Announcement(match.start(), match.end())
    for match in _BEHIND.finditer(text, start, end) if found else ():
        value = _VALUE_BEFORE.search(text, max(start, match.start() - _VALUE_CHARS), match.start())
        if value is not None and announced(value.start()):
            yield Announcement(value.start(), value.start(), value_end=value.end())


# -------------------------------------------------------------------------------------------- around what is announced

EMOJI = r"\u220e\u25a0\u25a1\u25aa\u25fb\u25fc\u2600-\u27bf\ufe0f\U0001f300-\U0001faff"
_PARTICIPLES = any_of(
    "given found determined calculated computed expressed written represented stated shown simplified derived obtained"
    " described summarized encapsulated presented listed"
)
_ADVERBS = any_of(
    "therefore thus hence then simply indeed just only actually clearly obviously also still always now namely that"
    " donc ainsi alors quindi dunque perciò portanto então por_lo_tanto por_tanto entonces somit daher folglich zatem"
    " więc następnie значит следовательно поэтому итак"
)
LEAD = re.compile(  # what may stand between the words that announce an answer and the answer
    rf"(?:[\s*_:：{EMOJI}]|(?<=\n)>(?=[ \t])|,(?=\s)|-{{3,}}|={{3,}}|\.{{3}}|…|</?(?:b|i|em|strong|p|span|u)>"
    r"|~~[^~\n]{1,60}~~|\}(?=[ \t]{0,3}\$?[-0-9][0-9.,/]{0,20}(?:\$|\s|\\\]|\Z))"
    rf"|(?:most )?{any_of('likely probably certainly definitely perhaps maybe possibly')}\b"
    rf"|{_ADVERBS}\b,?"
    r"|(?:[Ww]e|[Yy]ou|I) (?:get|got|have|obtain|find)\b(?=[^.\n]{1,3}[0-9$\\])"
    r"|(?:[Ii]t|[Tt]hat)'s(?=[ \t][-0-9$\\(*])"
    r"|(?:[Ee]xactly|[Pp]recisely|equals?(?: to)?|of course|in fact|as follows)\b"
    rf"|(?:[a-z]{{1,12}}ly )?{_PARTICIPLES}[ \t](?:to be|to equal|as follows|as|by)\b(?![ \t][a-z]{{1,12}}ing\b)"
    r"|(?:simplified|reduced)[ \t]to[ \t](?=[0-9$\\])"
    r"|(?:the |an? )?(?:number|value|integer|fraction|set|interval|point)[ \t](?=[0-9$\\(\[{-])){0,24}"
)
NOT_BUT = re.compile(
    rf"(?:{NEGATES}|no\b)[^.\n;]{{1,60}}?(?:,?[ ](?:but|sondern|sino|mais|ma|mas|а|lecz)(?: rather| instead)? "
    r"|[,;] (?:it|this)(?: is| was|['’]s)(?: actually| rather)? )",
    re.IGNORECASE,
)
ASIDE = any_of(
    "so because since as which where whose who therefore hence thus i\\.e that_is this these it we there giving"
    " making meaning but the_product the_sum the_difference the_total rounded using given from see note or_equivalently"
    " sorry oh wait no_wait oops I_mean actually or_rather scratch_that correction edit"
)
"""The words with which a clause about the answer begins, once it has been given."""
CJK_ASIDE = any_of("因为 因此 所以 故 即 其中 这 由于 也就是 可知 可得 选项 则 但 而 以上 なぜなら つまり よって")
WHICH_IS = re.compile(r",[ \t]which[ \t](?:is|equals)(?:[ \t]equal[ \t]to)?[ \t]")
RESTATED = re.compile(r"the (?:[a-z-]+ ){1,3}(?:of|between|from|for|in)\b")
_VERB_LAST = any_of("です である だ になります となります となる 입니다 이다 이에요 예요")
TAIL = re.compile(  # the verb of a sentence that ends with it, and emoji
    rf"(?:[ \t]{{0,2}}{_VERB_LAST}|[ \t]{{1,2}}(?:है|hai)|[ \t]{{1,2}}d[iı]r|['’][dt][iıuü]r)[ \t]{{0,2}}\Z"
    rf"|(?<!\^)[\s*_{EMOJI}]+\Z|[ \t]{{0,2}}\$?\\(?:blacksquare|square|qed)(?:\$|\Z)|[ \t]Q\.?E\.?D\Z"
)
TAIL_CHARS = 16

# -------------------------------------------------------------------------------------------------------------- turns

END_OF_TEXT = (
    r"</s>|<\|endoftext\|>|<\|end_of_text\|>|<eos>|<｜end▁of▁sentence｜>|<\|end▁of▁sentence\|>|\[/?INST\]|<eoa>|<\|EOT\|>"
    r"|<\|im_end\|>|<\|eot_id\|>|<\|eom_id\|>|<\|end\|>|<\|return\|>|<end_of_turn>|<turn\|>|<\|eot\|>"
    r"|<\|END_OF_TURN_TOKEN\|>|<\|endofassistant\|>"
    r"|<\|im_start\|>user(?!\s{0,4}<tool_response>)|<\|start_header_id\|>user|<start_of_turn>user|<\|user\|>|<｜User｜>"
)
"""The tokens with which the chat templates in use end a turn or begin the user's: Llama 2 to 4, Qwen, Phi, gpt-oss,
Gemma, Mistral, DeepSeek, InternLM, Command R."""
_SPEAKERS = any_of(
    "Q(?=[_\\t]?[0-9]{0,3}[.:]) Human User 问 用户 Użytkownik Usuario Utilisateur Пользователь ユーザー 사용자"
)
_QUESTIONS = any_of(
    "Question Problem Exercise Example Instruction Input Task Quiz Challenge Puzzle Student Teacher Pregunta Frage"
    " Aufgabe Pergunta Domanda Вопрос Задача السؤال سؤال 问题 问題 題目 题目 例题 問題 質問 질문 문제 Câu_hỏi प्रश्न"
)
_ANOTHER = any_of(
    "next new another follow-?up additional bonus second third practice similar related extra further different"
)
QUESTION = re.compile(
    r"\n[ \t*_#<(\[]{0,10}(?=[A-FHILNP-U0-9\x80-\U0010ffff])(?:"
    rf"(?P<sure>{_SPEAKERS}[ \t]{{0,2}}[0-9]{{0,3}}[*_\])]{{0,3}}[ \t]?[.:：])"
    rf"|(?P<likely>(?:(?:(?:here(?: is|['’]s)|now|let(?:['’]s| us)|try|consider)[^.:?!\n]{{0,24}} )?{_ANOTHER} )?"
    rf"{_QUESTIONS}[ \t]{{0,2}}(?:#|No\. )?[0-9]{{0,3}}(?:\.[0-9])?(?: \([^()\n]{{1,24}}\))?[*_\]>)]{{0,3}}[ \t]?"
    rf"(?:[.:：]|(?<=[>\]])|(?=\r?\n))|(?:now|let(?:['’]s| us))[^.:?!\n]{{0,24}} {_ANOTHER}(?: one)?:)"
    r"|(?P<numbered>(?:[2-9]|[1-9][0-9]{1,2})[.)]\)?[ \t](?=[^?\n]{1,200}\?)))",
    re.IGNORECASE,
)
"""The line break and what begins a next question behind it, in a response that runs on: surely, or after an answer; or
after one a numbered question, where the response numbers nothing itself. The literal first character makes the search
cheap."""
