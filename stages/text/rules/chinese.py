"""What Chinese writes with digits and signs, and how that is said: no spaces show where a number ends.

The shared rules look for the white space around a number; these look for what stands there in Chinese: a measure word,
"年", "号", or nothing but another character.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial

from stages.text.languages import zh
from stages.text.languages.language import Language
from stages.text.rules import formulas, markup, scripts
from stages.text.rules.rule import DIGIT, Rule, alternatives, rule
from stages.text.words import UNSPACED

_N = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d|,\d)|\d+(?:\.\d+)?"
"""A comma of full width stands between numbers, not within one."""

_ALONE = r"(?<![\d.])"
_TO = r"\s?(?:[-–—~～]|至|到)\s?"
_TWO = (
    "个位张本条只件间杯瓶碗份次天周块种台辆人名倍岁斤篇句首部家座套双对颗层点页段回趟盒袋包箱把枚道片朵匹头群"
    "排组串架辈代成克吨米升秒"
)
"""What is counted with "两" instead of "二"; longer ones follow."""
_MEASURES = (
    rf"(?:(?!次方)[{_TWO}]|公斤|公里|分钟|小时|年(?!级)|星期|礼拜|晚|元|美元|欧元|英镑|日元|毫升|厘米|千克|"
    "平方米)"
)
_RATED = "人|晚|天|日|月|年|周|次|位|个|件|份|间|张|斤|公斤|克|升|瓶|米|平|平方米|小时|分钟|分|秒"
"""What a price or a rate is for, behind a "/"."""
_CALLED = "电话|手机|热线|拨打|致电|拨|号码|传真|座机|联系方式"
_NUMBERED = "编号|单号|订单|验证码|密码|尾号|卡号|邮编|账号|代码|序列号|QQ|学号|工号"
_UP_TO = r"(?:[是为：:号\s]|号码|拨打|请|可以){0,4}"


class _Said:
    """What is said for the matches."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def number(self, text: str, *, is_counted: bool = False) -> str:
        """ "三点一四"; `is_counted`: "两"."""
        whole, _, decimals = text.replace(",", "").partition(".")
        if decimals:
            return f"{self._whole(whole)}点{zh.one_by_one(decimals)}"
        return "两" if is_counted and int(whole) == 2 else self._whole(whole)

    def _whole(self, digits: str) -> str:
        is_name = (len(digits) > 1 and int(digits[0]) == 0) or len(digits) > 12
        return zh.one_by_one(digits) if is_name else zh.cardinal(int(digits))

    def phone(self, match: re.Match[str]) -> str:
        """ "幺三八，幺二三四，五六七八"."""
        found = match["n"]
        digits = re.sub(r"\D", "", found)
        parts = re.findall(r"\d+", found)
        if len(parts) == 1 and len(digits) == 11:
            parts = [digits[:3], digits[3:7], digits[7:]]
        plus = "加" if found.startswith("+") else ""
        return plus + "，".join(zh.one_by_one(part, "幺") for part in parts)

    def digits(self, match: re.Match[str], one: str = "一") -> str:
        """ "八六四二"."""
        return zh.one_by_one(match["n"], one)

    def date(self, match: re.Match[str]) -> str:
        """ "二零二六年十一月三十日"; what is no date is its numbers, one after the other."""
        found = match.groupdict()
        month, day = int(match["month"]), int(match["day"])
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return "，".join(map(self.number, re.findall(r"\d+", match[0])))
        year = f"{zh.year(int(found['year']))}年" if found.get("year") else ""
        return f"{year}{zh.cardinal(month)}月{zh.cardinal(day)}日"

    def time(self, match: re.Match[str]) -> str:
        """ "九点零五分"; what is no time of day is a ratio."""
        hour, minute, second = int(match["hour"]), int(match["minute"]), match["second"]
        if hour > 24 or minute > 59:
            return f"{zh.cardinal(hour)}比{zh.cardinal(minute)}"
        said = zh.clock(hour, minute)
        return f"{said}{zh.cardinal(int(second))}秒" if second else said

    def money(self, match: re.Match[str]) -> str:
        """ "二十五元五角", "三点五万美元", "五十到一百元"."""
        found = match.groupdict()
        money = self._language.money[found["sign"]]
        front = f"{self.number(found['m'])}到" if found.get("m") else ""
        minus = "负" if found.get("minus") else ""
        text, scale = found["n"].replace(",", ""), found.get("scale")
        whole, _, decimals = text.partition(".")
        if scale:
            said = f"{self.number(text, is_counted=True)}{self._language.scales[scale]}{money.one}"
        elif money.cent and decimals.strip("0") and len(decimals) <= 2:
            said = self._language.cents(zh.cardinal(int(whole)), money, int(decimals.ljust(2, "0")))
        else:
            kept = f"{whole}.{decimals}" if decimals.strip("0") else whole
            said = f"{self.number(kept, is_counted=not front)}{money.one}"
        return minus + front + said

    def share(self, match: re.Match[str]) -> str:
        """ "百分之五", "百分之五到百分之十"."""
        of = "千分之" if match["sign"] == "‰" else "百分之"
        front = f"{of}{self.number(match['m'])}到" if match["m"] else ""
        return f"{'负' if match['minus'] else ''}{front}{of}{self.number(match['n'])}"

    def measure(self, match: re.Match[str]) -> str:
        """ "五公斤", "零下五摄氏度", "两到三公里"."""
        unit = self._language.units[match["unit"]][0]
        minus = ("零下" if "氏度" in unit else "负") if match["minus"] else ""
        if match["m"]:
            return f"{minus}{self.number(match['m'], is_counted=True)}到{self.number(match['n'])}{unit}"
        return f"{minus}{self.number(match['n'], is_counted=True)}{unit}"

    def range(self, match: re.Match[str]) -> str:
        """ "三到五", "两到三天"."""
        behind = match.string[match.end() :]
        is_counted = re.match(_MEASURES, behind) is not None and match.string[: match.start()][-1:] != "第"
        is_year = all(len(match[name]) == 4 for name in "mn") and behind.startswith(("年", "赛季"))
        if is_year:
            return f"{zh.year(int(match['m']))}到{zh.year(int(match['n']))}"
        return f"{self.number(match['m'], is_counted=is_counted)}到{self.number(match['n'])}"

    def fraction(self, match: re.Match[str]) -> str:
        """ "四分之三"."""
        whole = f"{zh.cardinal(int(match['whole']))}又" if match["whole"] else ""
        return f"{whole}{zh.cardinal(int(match['b']))}分之{zh.cardinal(int(match['a']))}"

    def code(self, match: re.Match[str]) -> str:
        """ "CA 幺二三四", "G 幺零二", "A四"."""
        digits = match["n"]
        said = zh.one_by_one(digits, "幺") if len(digits) > 2 else zh.cardinal(int(digits))
        return f"{match['name'].rstrip('-')} {said}"

    def plain(self, match: re.Match[str]) -> str:
        """A number that nothing is known of but what stands behind it."""
        is_counted = re.match(r"\s?" + _MEASURES, match.string[match.end() :]) is not None
        is_counted = is_counted and match.string[: match.start()][-1:] not in ("第", "初")
        return ("负" if match["minus"] else "") + self.number(match["n"], is_counted=is_counted)

    def scaled(self, match: re.Match[str]) -> str:
        """ "两万", "一点四亿"."""
        return self.number(match["n"], is_counted=True) + self._language.scales[match["scale"]]


def rules(language: Language, any_script: bool) -> Iterator[Rule]:
    """All rules of a text in Chinese, those that win first."""
    said = _Said(language)
    yield from formulas.rules(language)
    yield rule(rf"\*{{2,3}}|`+|~~|(?<=[{UNSPACED}])\*|\*(?=[{UNSPACED}])", "", "*`~")
    yield from markup.rules({**language.words, "and": language.signs["&"]})
    yield from _addresses(language)
    yield from _called(said)
    yield from _dates(said)
    yield from _amounts(language, said)
    yield from _numbers(language, said)
    if not any_script:
        yield from scripts.rules(language)
    yield from _signs(language)


def _addresses(language: Language) -> Iterator[Rule]:
    """Web and mail, with the names of their signs."""
    words = language.words

    def spelt(match: re.Match[str]) -> str:
        text = re.sub(r"^https?://", "", match[0])
        for sign, name in (
            (".", "dot"),
            ("@", "at"),
            ("/", "slash"),
            ("-", "dash"),
            ("_", "underscore"),
        ):
            text = text.rstrip("/").replace(sign, f" {words[name]} ")
        return re.sub(r"\d+", lambda found: zh.one_by_one(found[0]), text)

    name = r"[A-Za-z0-9_-]+"
    yield rule(
        rf"https?://[\w./-]*[A-Za-z0-9/]|{name}(?:\.{name})*@{name}(?:\.{name})+|(?<![A-Za-z0-9.])"
        rf"(?:{name}\.)+(?:com|cn|org|net|gov|edu|io|ai)(?![A-Za-z0-9])(?:/[\w/-]*\w)?",
        spelt,
        ".@/",
    )


def _called(said: _Said) -> Iterator[Rule]:
    """Numbers that are names."""
    yield rule(r"(?<![\d.])(?P<n>(?:\+86[\s-]?)?1[3-9]\d[\s-]?\d{4}[\s-]?\d{4})(?!\d)", said.phone, DIGIT)
    yield rule(
        r"(?<![\d.-])(?P<n>0\d{2,3}-(?:\d{7,8}|\d{3,4}-\d{4})|[48]00-?\d{3,4}-?\d{3,4})(?![\d-])",
        said.phone,
        DIGIT,
    )
    is_count = rf"[\d.万亿]|\s?(?:{_MEASURES}|[块折分多余几])"
    yield rule(rf"(?<=[打拨线话机码真])(?P<n>\d[\d-]{{1,}}\d)(?!{is_count})", said.phone, DIGIT)
    yield rule(
        rf"(?P<front>(?:{_CALLED}){_UP_TO})(?P<n>\d[\d\s-]+\d)(?!{is_count})", _behind(said.phone), DIGIT
    )
    yield rule(
        rf"(?P<front>(?:{_NUMBERED}){_UP_TO})(?P<n>\d{{3,}})(?![\d.万亿])", _behind(said.digits), DIGIT
    )
    emergency = r"(?:(?<![\w.])|(?<=[叫找按请警]))(?P<n>110|119|120|122)(?=，|。|$)"
    yield rule(emergency, partial(said.digits, one="幺"), DIGIT)
    yield rule(rf"{_ALONE}(?P<n>110|119|120|122)(?=[报急火])", partial(said.digits, one="幺"), DIGIT)
    yield rule(r"(?<![\d.])(?P<n>\d{3,4})(?=号?房|室|航班|次列车)", partial(said.digits, one="幺"), DIGIT)
    yield rule(r"(?<![A-Za-z])(?P<name>[A-Z]{1,3}-?)(?P<n>\d{1,5})(?![\d.A-Za-z])", said.code, DIGIT)
    yield rule(r"(?<![\d.])(?P<n>\d{9,})(?![\d.])", said.digits, DIGIT)


def _behind(say: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
    """With the words in front of the number, which are part of the match."""

    def both(match: re.Match[str]) -> str:
        return match["front"] + say(match)

    return both


def _dates(said: _Said) -> Iterator[Rule]:
    year, month, day = r"(?P<year>[12]\d{3})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
    yield rule(rf"{_ALONE}{year}([-/.]){month}\2{day}(?![\d.])", said.date, "-/.")
    yield rule(rf"{_ALONE}{month}/{day}(?:日|(?=[（(\s]?(?:周|星期)))", said.date, "/")
    age = r"的(?:历史|传统|文化|时间|经验|婚姻|生活|古)"
    lasting = rf"(?!多?年(?:[前后内来间多]|之[前后久]|以[上来内]|左右|历史|{age}))"
    recent = r"(?:19\d\d|20(?!00)\d\d)"
    short = r"(?<![了有近约过每达共用满整活])[6-9]\d"
    yield rule(rf"{_ALONE}(?P<n>{recent}|(?:[12]\d{{3}}|{short}){lasting})(?=\s?年)", said.digits, "年")
    yield rule(
        r"(?P<front>(?:比例尺?|比分|比率|赔率)[是为：:约\s]{0,2})(?P<m>\d+)\s?[:：]\s?(?P<n>\d+)",
        lambda match: f"{match['front']}{said.number(match['m'])}比{said.number(match['n'])}",
        ":：",
    )
    yield rule(
        r"(?<![\d.:：])(?P<hour>\d{1,2})[:：](?P<minute>\d\d)(?:[:：](?P<second>\d\d))?(?![\d:：])",
        said.time,
        ":：",
    )
    yield rule(
        r"(?<=[点分])\s?[-–—~～]\s?(?=\d{1,2}[:：点])|(?<=[:：]\d\d)\s?[-–—~～]\s?(?=\d)", "到", "-–—~～"
    )
    yield rule(r"(?<=\d)\s?[:：]\s?(?=\d)", "比", ":：")


def _amounts(language: Language, said: _Said) -> Iterator[Rule]:
    """Money, shares and measures."""
    signs, scale = alternatives(language.money), alternatives(language.scales)
    minus, n, upto = r"(?P<minus>(?<![\dA-Za-z）)])[-−])?", rf"(?P<n>{_N})", rf"(?:(?P<m>{_N}){_TO})?"
    before = alternatives(
        sign for sign in language.money if sign not in ("元", "美元", "欧元", "英镑", "日元")
    )
    yield rule(
        rf"{minus}(?P<sign>{before})\s?{upto}(?:(?P=sign))?{n}\s?(?P<scale>{scale})?元?", said.money, DIGIT
    )
    yield rule(
        rf"{_ALONE}{minus}{upto}{n}\s?(?P<scale>{scale})?\s?(?P<sign>{signs})(?![A-Za-z])", said.money, DIGIT
    )
    share = rf"{_ALONE}{minus}(?:(?P<m>{_N})[%％]?{_TO})?{n}\s?(?P<sign>[%％‰])"
    yield rule(share, said.share, "%％‰")
    units = alternatives(language.units)
    yield rule(rf"{_ALONE}{minus}{upto}{n}\s?(?P<unit>{units})(?![A-Za-z²³])", said.measure, DIGIT)


def _numbers(language: Language, said: _Said) -> Iterator[Rule]:
    scale = alternatives(language.scales)
    yield rule(rf"{_ALONE}(?P<n>[5-9][05](?=后(?![来面]))|[1-9][1-9](?=折))", said.digits, "后折")
    small = r"(?:(?P<whole>\d{1,3})\s)?(?P<a>\d{1,2})[/⁄](?P<b>[2-9]|10|12|16|20|100)(?![\d/月日.])"
    yield rule(rf"{_ALONE}{small}", said.fraction, "/⁄")
    yield rule(rf"{_ALONE}(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})(?![\d/])", said.date, "/")
    yield rule(rf"{_ALONE}(?P<n>{_N})\s?(?P<scale>{scale})(?![A-Za-z])", said.scaled, DIGIT)
    yield rule(r"(?<=\d)\s?[-−–]\s?(?=\d+(?:\.\d+)?\s?[=等])", "减", "-−–")
    yield rule(rf"{_ALONE}(?<![-−])(?P<m>{_N}){_TO}(?P<n>{_N})(?![\d-]|\s?[=等])", said.range, DIGIT)
    yield rule(
        r"(?<![\d.])(?P<m>\d+)\s?\^\s?(?P<n>\d+)",
        lambda match: f"{said.number(match['m'])}的{said.number(match['n'])}次方",
        "^",
    )
    yield rule(r"(?<=\d)\s?[×xX*]\s?(?=\d)", "乘以", "×xX*")
    yield rule(r"(?:[Nn]o\.|№|＃|#)\s?(?=\d)", "第", ".№＃#")
    yield rule(rf"(?P<minus>(?<![\dA-Za-z）)])[-−])?(?P<n>{_N})", said.plain, DIGIT)


def _signs(language: Language) -> Iterator[Rule]:
    """What is left: signs by their names, and what no voice says as a gap."""
    yield rule(r"(?<![A-Za-z])([CF])#", r"\1 sharp", "#")
    yield rule(rf"(?<![A-Za-z])(?:{alternatives(('vs.', 'vs', 'VS'))})(?![A-Za-z])", "对", "vV")
    yield rule(r"(?<=和)/(?=或)", "", "/")
    yield rule(rf"(?<=[\d元次块])/(?=(?:{_RATED}))", "每", "/")
    yield rule(r"(?<=\w)/(?=\w)", "或", "/")
    signs = "".join(language.signs)
    yield rule(f"[{re.escape(signs)}]", lambda match: language.signs[match[0]], signs)
    yield rule(
        r"[①-⑳]",
        lambda match: f" {zh.cardinal(int(unicodedata.numeric(match[0])))} ",
        "".join(map(chr, range(0x2460, 0x2474))),
    )
    yield rule(r"[^\w\s.,;:!?'\"()…—–’‘“”。，！？、；：（）《》「」-]|_", " ")
