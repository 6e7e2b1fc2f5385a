"""Mandarin, in simplified characters: "一千二百零五", "二零二六年", "下午三点半", "百分之五"."""

from stages.text.languages.language import Language, Money

DIGITS = "零一二三四五六七八九"
_SMALL = ("", "十", "百", "千")
_LARGE = ("", "万", "亿", "万亿")


def cardinal(number: int) -> str:
    """ "十二", "一百零五", "两万零三百"."""
    if number < 10_000:
        return _group(number) or DIGITS[0]
    groups, rest = list[int](), number
    while rest and len(groups) < len(_LARGE) - 1:
        rest, group = divmod(rest, 10_000)
        groups.append(group)
    if rest:
        groups.append(rest)
    said = ""
    for place in range(len(groups) - 1, -1, -1):
        group = groups[place]
        if group:
            gap = DIGITS[0] if said and (group < 1000 or not groups[place + 1]) else ""
            said += gap + _counted(group, is_first=not said) + _LARGE[place]
    return said


def _counted(group: int, *, is_first: bool) -> str:
    """In front of "万": "两万", "十二万", and "一十二万" nowhere but inside."""
    if group == 2 and is_first:
        return "两"
    return cardinal(group) if is_first else _group(group, is_first=False)


def _group(number: int, *, is_first: bool = True) -> str:
    """Below ten thousand; nothing for zero."""
    said, has_gap = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if not digit:
            has_gap = bool(said)
            continue
        word = "两" if digit == 2 and place == 3 else DIGITS[digit]
        if place == 1 and digit == 1 and not said and is_first:
            word = ""
        said += (DIGITS[0] if has_gap else "") + word + _SMALL[place]
        has_gap = False
    return said


def ordinal(number: int) -> str:
    """ "第三"."""
    return f"第{cardinal(number)}"


def one_by_one(digits: str, one: str = "一") -> str:
    """Digit by digit; on the telephone a one is "幺"."""
    return "".join(DIGITS[int(digit)] for digit in digits).replace("一", one)


def year(number: int) -> str:
    """ "二零二六"."""
    return one_by_one(str(number))


def counted(number: int) -> str:
    """In front of what is counted: "两个"."""
    return "两" if number == 2 else cardinal(number)


def clock(hour: int, minute: int) -> str:
    """ "两点", "九点零五分", "十四点三十分"."""
    if not minute:
        return f"{counted(hour)}点"
    return f"{counted(hour)}点{'零' if minute < 10 else ''}{cardinal(minute)}分"


def _day(day: int, month: str, _front: str) -> str:
    return f"{month}{cardinal(day)}日"


def _cents(whole: str, money: Money, cents: int) -> str:
    """ "二十五元五角", "三元零五分", "四点五美元"."""
    ten, one = divmod(cents, 10)
    if money.cent != "分":
        return f"{whole}点{one_by_one(str(ten) + (str(one) if one else ''))}{money.one}"
    jiao = f"{DIGITS[ten]}角" if ten else "零" if whole != "零" else ""
    fen = f"{DIGITS[one]}分" if one else ""
    return ("" if whole == "零" else f"{whole}{money.one}") + jiao + fen


def _same(*symbols: str, word: str) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(symbols, (word, word))


_DOLLAR, _EURO, _POUND = (
    Money("美元", "美元", "美分"),
    Money("欧元", "欧元", "欧分"),
    Money("英镑", "英镑", "便士"),
)
_YUAN, _YEN, _HONG_KONG = Money("元", "元", "分"), Money("日元", "日元"), Money("港元", "港元", "港仙")

LANGUAGE = Language(
    code="zh",
    cardinal=cardinal,
    ordinal=ordinal,
    year=year,
    day=_day,
    clock=clock,
    cents=_cents,
    decimal_comma=False,
    words={
        "point": "点", "minus": "负", "plus": "加", "to": "到", "at": "艾特", "dot": "点", "slash": "斜杠",
        "dash": "杠",
        "underscore": "下划线", "times": "乘以", "by": "乘", "divided": "除以", "power": "的次方", "number": "号",
        "per": "每", "over": "比", "more": "大于", "less": "小于", "is more": "大于", "is less": "小于", "and": "和",
        "about": "大约", "of": "的", "equals": "等于", "or more": "以上", "picture": "图片", "hashtag": "话题",
        "out of": "比", "square root": "根号", "is not": "不等于", "at most": "不超过", "at least": "至少",
        "ratio": "比", "below zero": "零下", "percent": "百分之", "per mille": "千分之",
    },
    signs={
        "≈": "约等于", "≤": "小于等于", "≥": "大于等于", "→": "到", "⇒": "所以", "−": "减", "÷": "除以", "×": "乘以",
        "±": "正负", "≠": "不等于", "№": "第", "√": "根号", "∞": "无穷大", "½": "二分之一", "¼": "四分之一",
        "¾": "四分之三", "⅓": "三分之一", "⅔": "三分之二", "°": "度", "§": "第", "&": "和", "²": "平方", "³": "立方",
        "Δ": "德尔塔", "π": "派", "α": "阿尔法", "β": "贝塔", "γ": "伽马", "θ": "西塔", "λ": "兰姆达", "μ": "缪",
        "µ": "微", "σ": "西格玛", "Ω": "欧姆", "ω": "欧米伽", "=": "等于", "+": "加", "%": "百分之", "％": "百分之",
        "‰": "千分之", "<": "小于", ">": "大于", "@": "艾特",
    },
    months=tuple(f"{cardinal(month)}月" for month in range(1, 13)),
    money={
        "¥": _YUAN, "￥": _YUAN, "元": _YUAN, "CNY": _YUAN, "RMB": _YUAN, "$": _DOLLAR, "US$": _DOLLAR, "USD": _DOLLAR,
        "美元": _DOLLAR, "€": _EURO, "EUR": _EURO, "欧元": _EURO, "£": _POUND, "GBP": _POUND, "英镑": _POUND,
        "JPY": _YEN, "日元": _YEN, "HK$": _HONG_KONG, "HKD": _HONG_KONG, "₹": Money("卢比", "卢比"),
        "₩": Money("韩元", "韩元"), "₽": Money("卢布", "卢布"),
    },
    units={
        **_same("km", "KM", word="公里"), **_same("m", word="米"), **_same("cm", "CM", word="厘米"),
        **_same("mm", word="毫米"), **_same("kg", "KG", "Kg", word="公斤"), **_same("g", word="克"),
        **_same("mg", word="毫克"), **_same("t", word="吨"), **_same("l", "L", word="升"),
        **_same("ml", "mL", "ML", word="毫升"), **_same("km/h", "km/小时", word="公里每小时"),
        **_same("m/s", word="米每秒"), **_same("m²", "m2", "㎡", "平米", word="平方米"),
        **_same("km²", word="平方公里"),
        **_same("m³", "m3", word="立方米"), **_same("h", word="小时"), **_same("min", word="分钟"),
        **_same("s", word="秒"),
        **_same("ms", word="毫秒"), **_same("W", word="瓦"), **_same("kW", word="千瓦"), **_same("kWh", word="千瓦时"),
        **_same("V", word="伏"), **_same("Hz", word="赫兹"), **_same("mAh", word="毫安时"),
        **_same("℃", "°C", "° C", word="摄氏度"), **_same("℉", "°F", "° F", word="华氏度"), **_same("°", word="度"),
        **_same("dB", word="分贝"), **_same("px", word="像素"), **_same("kcal", word="千卡"),
    },
    scales={"百": "百", "千": "千", "万": "万", "百万": "百万", "千万": "千万", "亿": "亿", "k": "千", "K": "千",
            "M": "百万", "w": "万", "W": "万"},
    abbreviations={"vs.": "对", "vs": "对", "VS": "对", "etc.": "等等", "No.": "第"},
    ordinal_mark=r"(?!)",
    emergencies="110|119|120|122|12315|12345|12306|10086|10010|10000|95588",
    scripts={
        "CYRILLIC": "一段俄文", "GREEK": "一段希腊文", "ARABIC": "一段阿拉伯文", "HEBREW": "一段希伯来文",
        "HIRAGANA": "一段日文", "KATAKANA": "一段日文", "HANGUL": "一段韩文", "THAI": "一段泰文",
        "DEVANAGARI": "一段印地文", "": "一段外文",
    },
)  # fmt: skip
