"""Closed classes of words: what their members say, or that they say nothing. Open classes have no list here."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from empo_rewards.equivalence.math import numerals


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOT = "¬"
"""The token of a negation."""
UP, DOWN = "↑", "↓"
"""The tokens of a rise and of a fall, whatever the verb."""

ARTICLES = _set("a an the")
LEADING_ARTICLES = _set("der die das ein eine el la los las un una le les une il lo gli o os um uma")
"""Articles of other languages; within an English text they are other words, so only a first word is taken for one."""
CARRIERS = _set(
    "it its they he she this that these those there i we you because er sie es ella él elle ils elles 它 他 她"
)
"""Words that stand for what the question named, or lead over to the answer, where they come first."""
OPINIONS = _set("think believe")
"""The same, behind "I" and "we"."""
ANSWERS = _set("answer statement solution result claim conclusion term word name")
"""Nouns that name what is answered, where a copula follows them first."""
RIGHT = _set("correct right proper")
"""Adjectives before them."""
KNOWN_AS = (["known", "as"], ["famous", "as"])
NAMED = _set("called named termed")
"""Participles behind which a name stands: so it does behind `KNOWN_AS`."""
COUNTED = (["year"], ["total", "of"], ["factor", "of"])
"""What may stand before a number."""
COPULAS = _set("is are was were be been being am s re has have had having do does did will would shall")
"""Forms that carry tense and nothing else."""
BE = _set("is are was were be been being")
PAST = _set("was were been")
"""Forms of "be" behind which a participle is the past tense of the active sentence."""
FILLERS = _set(
    "basically simply just also really actually about approximately approx roughly around circa so "
    "therefore thus hence namely itself themselves"
).union(NAMED)
"""Words without which an answer is the same answer."""
EXTENTS = _set("mainly mostly primarily chiefly largely")
"""The same, before a preposition: "mainly on buyers"; what is mostly water is not water."""
AMOUNTS = frozenset({("a", "few"), ("a", "little")})
"""Articles that say something: a few are more than few."""
NEUTRAL_PREPOSITIONS = _set(
    "of in on at by via through into onto as for to with within upon towards toward along during"
)
"""Prepositions that say nothing where a phrase begins with them; of those that say a limit none is among them."""
GOALS = dict.fromkeys(_set("to into onto toward towards"), "to")
MEANS = dict.fromkeys(_set("by via through"), "by")
DIRECTED = {**GOALS, **MEANS, "with": "with"}
"""Of those, the prepositions of a goal, of an agent or a means, and "with", each by the name of its class. One may
stand for another of its class only, and behind a word none may be left out: work done by a gas is not done on it."""
LEADS = {**DIRECTED, "upon": "on", "within": "in", "during": "in"}
"""The class of a preposition with which a phrase begins, where that is not itself: one may be left out, but not be
another."""
CONNECTING = frozenset({"be", *DIRECTED.values()})
"""Words that connect what an answer repeats of its question; "be" is that of a passive."""
JOINERS = _set("and or nor plus versus vs")
ASKING = _set("what which who whom whose how where when why whether")
ASIDE = _set("when while as if after before because since until once than with from against to")
"""Words behind which, up to a comma or an asking word, there is nothing that a question asks about."""
AFFECTING = _set("affect influence impact effect")
"""Verbs and nouns beside which what acts is not what a question asks about."""
SHORT_ANSWERS = CARRIERS | COPULAS | {"yes", "true", "false", "correct", "can", "could", "¬"}
"""Words that a "yes" or a "no" repeats of the question."""
NEGATIONS = _set("not no never neither nor non cannot isn't aren't wasn't weren't don't doesn't didn't won't can't "
                 "couldn't wouldn't nicht kein keine nein nunca jamais ne не нет nie")  # fmt: skip
HEDGES = _set("not no never neither nor cannot without but except or rather unless either")
"""Words with which an explanation begins that takes back what it explains, or leaves it open."""
DOUBTS = _set("perhaps maybe possibly probably instead wait wrong incorrect unlikely unsure sometimes")
"""The same, wherever they stand."""
EXPLAINERS = _set(
    "a an the who whom whose which where when while because since so but by as in on at from with of for to is was "
    "are were he she it they i we you this that these though although if after before also then until only provided "
    "our his her their its being having based known called including especially such due located born meaning"
)
"""Words that begin an explanation after a comma, where an enumeration would go on with a noun."""
CONDITIONS = _set("when if then until unless before after only provided assuming though")
"""Words that begin what an answer depends on."""
CLAUSES = _set("who whose because since due")
"""Words that begin a clause which explains what stands before it; of "due", "due to" does."""

MODIFIERS = _set(
    "half twice double triple quadruple quarter third vice former ex deputy assistant acting co anti pro pseudo quasi "
    "semi sub super square root cube cubed squared inverse reciprocal opposite negative positive minus plus north "
    "south east west northern southern eastern western new old upper lower left right inner outer early late more "
    "less most least fewer greater higher few many much all every any some only first last next previous junior "
    "senior mother father son daughter wife husband brother sister hundred thousand million billion trillion dozen "
    "pair percent per partially partly fully completely perfectly almost nearly slightly very too over under above "
    "below before after until between without against around from than except off out up down may might must can "
    "could should never always formerly previously originally historically once both"
)
"""Words that make another answer of the one beside them, also where the question has them."""

TITLES = {
    word: title
    for title, words in {
        "mr": "mr mister", "mrs": "mrs madame madam mme", "ms": "ms miss", "dr": "dr doctor", "prof": "prof professor",
        "sir": "sir", "lord": "lord", "lady": "lady", "dame": "dame", "king": "king", "queen": "queen",
        "president": "president", "pope": "pope", "emperor": "emperor", "prince": "prince", "princess": "princess",
        "captain": "captain capt", "general": "general gen", "colonel": "colonel col", "senator": "senator sen",
        "minister": "minister", "saint": "saint", "duke": "duke", "duchess": "duchess", "tsar": "tsar czar",
        "baron": "baron", "baroness": "baroness", "count": "count", "countess": "countess", "admiral": "admiral",
    }.items()
    for word in words.split()
}  # fmt: skip
PEOPLE = _set(
    "actor actress president king queen monarch author writer novelist poet playwright composer singer musician artist "
    "painter sculptor architect scientist physicist chemist biologist mathematician philosopher economist psychologist "
    "inventor explorer general emperor pope minister player footballer golfer boxer driver director character "
    "detective hero senator governor captain man woman person leader politician judge lawyer comedian chef designer "
    "astronaut"
)
"""Nouns for persons, by which a question asks for one."""
WORKS = _set("novel book film movie song poem painting album opera musical play series show band")
PLACE_NOUNS = _set("city town village country nation state province island continent planet")
ROLES = (PEOPLE | TITLES.keys() | _set(
    "chancellor mayor marshal secretary attorney justice chief officer executive chair chairman chairwoman speaker "
    "editor manager coach commander lieutenant sergeant corporal commissioner inspector ambassador consul deputy "
    "delegate councillor treasurer clerk prosecutor sheriff constable soldier sailor pilot rider fighter ranger "
    "warrior witch wizard father mother brother sister son daughter wife husband widow boy girl empress archduke earl "
    "countess viscount nurse surgeon dentist teacher student engineer farmer worker merchant trader servant citizen "
    "settler colonist pirate agent army navy fleet force infantry cavalry regiment party council committee commission "
    "parliament congress senate assembly ministry government administration union league alliance association "
    "federation empire republic dynasty family tribe society company corporation team band police people"
)) - _set("king pope duke baron saint singer driver judge painter")  # fmt: skip
"""Nouns for persons by office, rank or kinship, and for bodies of persons, but what is as often a surname: "Vice
President" has none."""
_PEOPLES = re.compile(r"(?:[aei]an|can|man|ist)s$")
"""The endings of the names of peoples and followers."""
SMALL_WORDS = ARTICLES | _set("of and for in on to de")
"""Words that an abbreviation passes over."""
CHANGING = frozenset({NOT, UP, DOWN}) | JOINERS
PARTICLES = _set("de da di du del della van von der den la le el al bin ibn y")
"""Small words of names."""
SHORTENED = _set(
    "Mrs Prof Capt Gen Sen Col Rev Gov Adm Sgt Maj Cpl Hon Msgr Insp Supt Univ Dept Inst Assn Mlle Pres Sec Rep"
)
"""Words before a name that end with a point."""
RELATIVES = _set("lady mrs jr sr")
"""Titles that tell one of a family from another."""
CLUBS = _set("fc afc cf sc")
LEGAL_FORMS = CLUBS | _set("inc ltd limited corp corporation co company plc llc gmbh ag group holdings")

ROMAN = dict(zip(["ii", "iii", "iv", "vi", "vii", "viii", "ix", "xi", "xii", "xiii", "xiv", "xv", "xvi"],
                 ["2", "3", "4", "6", "7", "8", "9", "11", "12", "13", "14", "15", "16"], strict=True))  # fmt: skip
ROMAN_LETTERS = {"I": "1", "V": "5", "X": "10"}
"""Numerals of one letter: only after another word, for they are words and names as well."""

_UP = (
    "increase increases increased increasing rise rises rose risen rising raised grow grows grew growing growth climb "
    "climbs steigt steigen steigend zunehmen aumenta aumentan aumentar sube crece augmente augmentent увеличивается "
    "растёт растет повышается"
)
_DOWN = (
    "decrease decreases decreased decreasing fall falls fell fallen falling drop drops dropped dropping lowered "
    "decline declines declined declining diminish diminishes diminished diminishing sinkt sinken fällt fallen abnehmen "
    "disminuye disminuyen disminuir baja decrece diminue diminuent diminuisce уменьшается падает снижается понижается"
)

PAIRS = {
    **{(verb, "up"): UP for verb in ("go", "goes", "went", "going")},
    **{(verb, "down"): DOWN for verb in ("go", "goes", "went", "going")},
    **{("remain", state): "unchanged" for state in ("same", "constant", "unchanged")},
    (NOT, "change"): "unchanged",
}
"""Two words that say one thing."""
SCALED = frozenset({UP, DOWN, "double", "triple", "quadruple", "halve"})
"""What "is raised" or "is doubled" and what rises or doubles of itself do alike."""
UNIVERSITIES = _set("university college institute")
"""Institutions that are told apart by the order of their names: the University of York, York University."""
CONVERSES = {
    "lag": "lead", "below": "above", "beneath": "above", "under": "over", "after": "before", "trail": "lead",
    "follow": "precede", "behind": "ahead", "succeed": "precede",
}  # fmt: skip
"""Relations that say, with their sides exchanged, what another one says."""
CONVERSE_COMPARATIVES = {
    "less": "greater", "lower": "greater", "smaller": "greater", "fewer": "greater", "more": "greater",
    "greater": "greater",
    "higher": "greater", "larger": "greater", "bigger": "greater", "lighter": "heavier", "shorter": "longer",
    "slower": "faster", "weaker": "stronger", "later": "earlier", "younger": "older", "colder": "hotter",
    "cooler": "warmer", "cheaper": "dearer", "poorer": "richer", "narrower": "wider", "heavier": "heavier",
    "longer": "longer", "faster": "faster", "stronger": "stronger", "earlier": "earlier", "older": "older",
    "hotter": "hotter", "warmer": "warmer", "dearer": "dearer", "richer": "richer", "wider": "wider",
}  # fmt: skip
"""Comparatives before "than" by the one they are named for; of `SAME_SIDE` with their sides as they are."""
SAME_SIDE = _set("more higher larger bigger") | frozenset(CONVERSE_COMPARATIVES.values())

RELATIONS = frozenset({*CONVERSES.values(), *CONVERSE_COMPARATIVES.values()})
MOVING = SCALED | RELATIONS | CONVERSE_COMPARATIVES.keys() | {"unchanged"}
"""What a thing does or is in comparison: said of another thing it is another answer."""


def _by_word(table: str) -> dict[str, str]:
    """The first word of each comma-separated entry, by all of its words."""
    return {word: words.split()[0] for words in table.split(",") for word in words.split()}


_VERBS = _by_word(
    "write wrote written, build built, lead led, win won, sing sang sung, draw drew drawn, find found, give gave "
    "given, take took taken, hold held, bear bore borne, speak spoke spoken, beat beaten, teach taught, catch "
    "caught, bring brought, buy bought, sell sold, tell told, send sent, choose chose chosen, eat ate eaten, drive "
    "drove driven, steal stole stolen, break broke broken, see seen, throw threw thrown, fight fought, make made "
    "produce generate create form synthesize synthesise yield"
)
IRREGULAR = frozenset(_VERBS.values())
"""Verbs by whose participles a passive is known."""
SYNONYMS = _VERBS | _by_word(
    "use utilize utilise employ, cause induce provoke, begin start commence, end finish terminate, big large, help "
    "aid assist, show demonstrate display, need require, convert transform, consumer buyer purchaser, seller "
    "supplier vendor, bc bce, ad ce, percent pct %, saint st, mount mt, and &, degree deg °, gray grey, "
    "remain stay, junior jr, senior sr, double doubled doubling, triple tripled, quadruple quadrupled, halve halved, "
    "program programme, defense defence, offense offence, license licence, sulfur sulphur, aluminum aluminium, "
    "mold mould, plow plough, jewelry jewellery, mustache moustache, pajama pyjamas, yogurt yoghurt, donut doughnut, "
    "airplane aeroplane, artifact artefact, skeptic sceptic, skeptical sceptical, biggest largest, everyone everybody, "
    "someone somebody, anyone anybody"
)
"""Names of one thing that no rule of spelling gives, from the plainest words of many fields."""

_PLURALS = _by_word(
    "man men, woman women, child children, foot feet, tooth teeth, goose geese, mouse mice, louse lice, ox oxen, "
    "leaf leaves, wolf wolves, knife knives, thief thieves, loaf loaves, calf calves, shelf shelves, elf elves, "
    "hoof hooves, bacterium bacteria, mitochondrion mitochondria, nucleus nuclei, nucleolus nucleoli, fungus fungi, "
    "cactus cacti, stimulus stimuli, alumnus alumni, bacillus bacilli, radius radii, focus foci, locus loci, "
    "phenomenon phenomena, criterion criteria, ganglion ganglia, larva larvae, pupa pupae, alga algae, "
    "antenna antennae, vertebra vertebrae, formula formulae, nebula nebulae, alveolus alveoli, crisis crises, "
    "analysis analyses, thesis theses, hypothesis hypotheses, synthesis syntheses, oasis oases, diagnosis diagnoses, "
    "index indices, matrix matrices, vertex vertices, vortex vortices, appendix appendices, spectrum spectra, "
    "stratum strata, ovum ova, cilium cilia, flagellum flagella, genus genera, person people"
)
"""Plurals that no ending gives."""

CONTRASTING_STARTS = (
    ("hyper", "hypo"), ("endo", "exo"), ("inter", "intra"), ("macro", "micro"), ("over", "under"), ("pre", "post"),
    ("hetero", "homo"), ("an", "cat"), ("af", "ef"), ("in", "ex"), ("in", "out"), ("up", "down"), ("con", "dis"),
    ("mono", "poly"), ("uni", "multi"), ("in", "de"), ("ab", "ad"), ("syn", "ana"), ("anti", "pro"), ("sub", "super"),
    ("iso", "aniso"), ("eu", "pro"), ("diast", "syst"), ("im", "em"), ("infra", "ultra"),
)  # fmt: skip
CONTRASTING_ENDS = (
    ("ism", "ist"), ("er", "ee"), ("or", "ee"), ("ate", "ite"), ("ane", "ene"), ("ide", "ite"), ("ide", "ate"),
)  # fmt: skip
SUFFIXES = _set(
    "al ial ical ic ics ity ism ist ment ion ation er ly ness ship hood ess ian an ive ous ary ant ent ance ence"
)
"""Suffixes that make another word."""
NEGATIVE_STARTS = ("in", "im", "il", "ir", "un", "non", "dis", "a", "an", "anti", "de", "mis", "counter")

_ACCENTLESS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "e", "œ": "e", "ı": "i", "Ł": "L", "Ø": "O"})
_BRITISH = (
    (re.compile(r"(?<=[a-z]{2})our(?=s?$|ed$|ing$|al$|ful$|less$|able$|ite)"), "or"),
    (re.compile(r"(?<=[a-z]{3})is(?=e$|es$|ed$|ing$|ation)"), "iz"),
    (re.compile(r"(?<=[a-z]{2}l)ys(?=e)"), "yz"),
    (re.compile(r"(?<=[a-z]{2}[tb])re$"), "er"),
    (re.compile(r"ae|oe(?=[dsmt])"), "e"),
    (re.compile(r"(?<=[a-z]{2})ogue$"), "og"),
    (re.compile(r"(?<=[aeiou][^aeiou][aeiou])ll(?=ed$|ing$|ers?$)"), "l"),
    (re.compile(r"^sulph"), "sulf"),
)
_PERHAPS_BRITISH = re.compile(r"is|l[ly]|our|re$|[ao]e|gue$|^sulph")
_KEPT_S = re.compile(r"(?:ss|us|is|ics|os)$")


def plain(word: str) -> str:
    """A word in small letters and without accents."""
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFKD", word.casefold().translate(_ACCENTLESS))
    return "".join(char for char in folded if not unicodedata.combining(char))


DIRECTIONS = {plain(verb): way for verbs, way in ((_UP, UP), (_DOWN, DOWN)) for verb in verbs.split()}


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """The canonical form of a word in small letters: the singular, American spelling, one of its synonyms.

    A verb's third person loses its ending as well. Forms are keys, and need not be words: "rize" stands for "rise".
    """
    if word in SYNONYMS:
        return SYNONYMS[word]
    base = singular(word)
    if base != word and base in numerals.SCALES:  # hundreds are not a hundred
        return word
    if base in SYNONYMS:
        return SYNONYMS[base]
    if len(base) > 4 and base.isascii() and _PERHAPS_BRITISH.search(base):
        for pattern, american in _BRITISH:
            base = pattern.sub(american, base)
    return base


def singular(word: str) -> str:
    """A noun in small letters without the ending of its plural."""
    if word in _PLURALS:
        return _PLURALS[word]
    if len(word) < 4 or word[-1] != "s" or word in _SINGULARS or _KEPT_S.search(word):
        return word
    if word.endswith("es") and word[:-2] in _SINGULARS:
        return word[:-2]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1]


def is_role(word: str) -> bool:
    """Whether a word in small letters is an office, a role, or a people or another body of persons."""
    return singular(word) in ROLES or _PEOPLES.search(word) is not None


def number_of(word: str) -> str | None:
    """The digits of a number's name in small letters, cardinal or Roman."""
    value = numerals.SMALL.get(word)
    return ROMAN.get(word) if value is None else str(value)


MEANINGS: dict[str, str] = {
    **{word: str(value) for word, value in numerals.SMALL.items()},
    **{word: digits for word, digits in ROMAN.items() if word not in numerals.SMALL},
    **{word: f"#{value}" for word, value in numerals.ORDINALS.items()},
    **DIRECTIONS,
    **dict.fromkeys(NEGATIONS, NOT),
}
"""What words in small letters mean, whatever their form: numbers, ordinals (with a mark), directions, negations."""


_COUNTRIES = (
    "Afghanistan, Albania, Algeria, Andorra, Angola, Argentina, Armenia, Australia, Austria, Azerbaijan, Bahamas, "
    "Bahrain, Bangladesh, Barbados, Belarus, Belgium, Belize, Benin, Bhutan, Bolivia, Botswana, Brazil, Brunei, "
    "Bulgaria, Burundi, Cambodia, Cameroon, Canada, Chad, Chile, China, Colombia, Croatia, Cuba, Cyprus, Czech "
    "Republic, Czechia, Denmark, Ecuador, Egypt, England, Eritrea, Estonia, Ethiopia, Fiji, Finland, France, "
    "Gabon, Gambia, Germany, Ghana, Greece, Guatemala, Guinea, Guyana, Haiti, Honduras, Hungary, Iceland, India, "
    "Indonesia, Iran, Iraq, Ireland, Israel, Italy, Jamaica, Japan, Jordan, Kazakhstan, Kenya, Kuwait, Laos, "
    "Latvia, Lebanon, Liberia, Libya, Lithuania, Luxembourg, Madagascar, Malawi, Malaysia, Mali, Malta, "
    "Mauritania, Mauritius, Mexico, Moldova, Mongolia, Morocco, Mozambique, Myanmar, Namibia, Nepal, Netherlands, "
    "New Zealand, Nicaragua, Niger, Nigeria, North Korea, Northern Ireland, Norway, Oman, Pakistan, Panama, "
    "Paraguay, Peru, Philippines, Poland, Portugal, Qatar, Romania, Russia, Rwanda, Saudi Arabia, Scotland, "
    "Senegal, Serbia, Singapore, Slovakia, Slovenia, Somalia, South Africa, South Korea, Spain, Sri Lanka, Sudan, "
    "Sweden, Switzerland, Syria, Taiwan, Tanzania, Thailand, Togo, Tunisia, Turkey, Uganda, Ukraine, United Arab "
    "Emirates, United Kingdom, UK, United States, USA, US, Uruguay, Uzbekistan, Venezuela, Vietnam, Wales, Yemen, "
    "Zambia, Zimbabwe"
)
COUNTRIES = frozenset(_COUNTRIES.split(", "))
_CODES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY"
)
_STATES = (
    "Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, Delaware, Florida, Georgia, Hawaii, "
    "Idaho, Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine, Maryland, Massachusetts, Michigan, "
    "Minnesota, Mississippi, Missouri, Montana, Nebraska, Nevada, New Hampshire, New Jersey, New Mexico, New York, "
    "North Carolina, North Dakota, Ohio, Oklahoma, Oregon, Pennsylvania, Rhode Island, South Carolina, South Dakota, "
    "Tennessee, Texas, Utah, Vermont, Virginia, Washington, West Virginia, Wisconsin, Wyoming"
)
STATES = dict(zip(_CODES.split(), _STATES.split(", "), strict=True))
"""The states of the USA by their postal codes."""
PLACES = frozenset(map(plain, (*COUNTRIES, *STATES.values())))
"""Countries and states, which after a comma say where a place lies: "Paris, France"."""

_SINGULARS = _set(
    "gas lens bias atlas alias canvas pancreas news means series species summons bellows gallows barracks "
    "headquarters crossroads corps measles mumps rabies herpes rickets diabetes billiards molasses customs "
    "spectacles mars christmas arms goods glasses clothes damages manners morals savings ashes thanks premises "
    "outskirts proceeds trousers pants binoculars scissors odds riches belongings surroundings humanities earnings "
    "dregs woods credentials valuables always"
)
"""Words that end in -s and are no plurals, have no other form, or mean another thing than the word without it."""

_IN_I_OR_U = _set(
    "taxi ski bikini alibi yeti rabbi safari kiwi martini tsunami nazi corgi broccoli zucchini israeli pakistani iraqi "
    "menu emu gnu guru haiku bayou tutu plateau bureau chateau"
)
_GREEK_IN_OS = _set("chaos ethos pathos bathos cosmos logos kudos asbestos rhinoceros eros epos thermos")


def takes_s(word: str) -> bool:
    """Whether an s behind a noun in -i, -o or -u makes its plural: "taxis", "photos"; not "chaos" and "corpus"."""
    return f"{word}s" not in _GREEK_IN_OS if word[-1] == "o" else word in _IN_I_OR_U


ACRONYMS = {"WHO": "WHO", "IT": "IT", "ME": "ME", "WE": "WE", "HE": "HE", "US": "usa"}
"""In capitals or with stops, what is else a pronoun."""

_RISES, _FALLS = "增加 上升 增大 升高 变大 提高 上涨 增强 增长", "减少 下降 减小 降低 变小 下跌 减弱 下滑"
CHINESE = {
    **dict.fromkeys(_set(_RISES), UP),
    **dict.fromkeys(_set(_FALLS), DOWN),
    **dict.fromkeys("不没无非未", NOT),
    **dict.fromkeys("会将是了的个它也就", ""),
    **{char: str(k) for k, char in enumerate("零一二三四五六七八九十")},
}
"""What is read in a run of Chinese characters, two at a time before one; the empty word says nothing."""
