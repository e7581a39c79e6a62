"""Which language is it: a heuristic, good enough to see a batch's mix change, not to label single short texts.

Scripts that one language dominates decide by themselves; Latin and Cyrillic go by the commonest function words. What
has too few of them is `und` (ISO 639: undetermined).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

UNDETERMINED = "und"
_READ = 2000
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "ARABIC": "ar",
    "HEBREW": "he",
    "GREEK": "el",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "THAI": "th",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
}
_FUNCTION_WORDS = {
    "en": "the of to and in a is that for it was on with as at by from his has after will an said be he have new are",
    "de": "der die und das den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden aus nach",
    "fr": "le la les de des et en du un une est que dans pour qui sur pas au par plus avec ce il sont ne se aux",
    "es": "el la los las de que y en del un una por con para se no su al es lo como más pero sus fue ha sobre",
    "it": "il la di che e un una per in non è sono con del della dei le gli si da al come più alla nel anche ha",
    "pt": "o a os as de que e do da em um uma para com não no na por mais se dos como foi ao das pelo são à",
    "nl": "de het een van en in is dat op te zijn met voor niet aan er om ook als bij door over uit naar maar",
    "sv": "och att det som en är på av för med till den har inte om ett men var jag vid från kan när efter ska",
    "da": "og at det som en er på af for med til den har ikke om et men var jeg ved fra kan når efter skal",
    "no": "og at det som en er på av for med til den har ikke om et men var jeg ved fra kan når etter skal",
    "pl": "w i z na do nie się że to jest o jak po za od przez dla ale jego był co już tym oraz być",
    "tr": "ve bir bu için ile da de olarak çok daha olan gibi en sonra kadar ne değil ancak her ki olduğu",
    "fi": "ja on ei se että oli hän mutta ovat kun niin myös tai kuin joka mukaan ole sen jo",
    "ru": "и в не на что с он как это по но из за его к от для так же был у о до при или",
    "uk": "і в не на що з він як це до та за його від для також був про й або які є у при",
}
_BY_WORD: dict[str, list[str]] = {}
for _code, _words in _FUNCTION_WORDS.items():
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append(_code)


def detect(text: str) -> str:
    """The language's ISO 639-1 code, or `und`."""
    start = text[:_READ]
    return _by_script(start) or _by_words(start)


def _by_script(text: str) -> str | None:
    letters = [c for c in text if ord(c) > 0x36F and c.isalpha()]
    if 2 * len(letters) < sum(c.isalpha() for c in text):
        return None
    counts: Counter[str | None] = Counter(_SCRIPTS.get(unicodedata.name(c, "").split(" ")[0]) for c in letters)
    # Japanese mixes Chinese characters with its own: any amount of kana decides.
    if counts["ja"]:
        return "ja"
    return counts.most_common(1)[0][0] if counts else None


def _by_words(text: str) -> str:
    words = _WORD.findall(text.lower())
    # A word of several languages counts for each by its share: "de" alone says little.
    scores: dict[str, float] = {}
    for word in words:
        codes = _BY_WORD.get(word, [])
        for code in codes:
            scores[code] = scores.get(code, 0) + 1 / len(codes)
    if not scores:
        return UNDETERMINED
    best, score = max(scores.items(), key=lambda item: item[1])
    return best if score >= max(1, 0.05 * len(words)) else UNDETERMINED
