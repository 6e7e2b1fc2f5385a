"""Words that tell whether a turn has ended, of all languages. Data.

A script without spaces has no words to look up: of it there are patterns of how a text ends, marks left out.
"""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALWAYS_MORE = _words(
    "a an the and or but nor because if unless until while although whereas than "
    "my your our their its every of from into onto between "
    "i i'm i'd i'll i've we're we'll we'd you're they're he's she's it's there's that's "
    "um uh er erm hmm mm "
    "und oder aber weil wenn dass mit für zum zur beim vom eine einen einem einer eines "
    "pero porque con para por del los las una unos unas "
    "et mais parce avec pour dans du des une aux "
    "perché che con della dello degli delle dei gli"
)
"""Articles, conjunctions, prepositions, possessives and fillers that end no sentence, except in a question."""

ANNOUNCED = _words("number code pin name password address email mail date birthday")
"""What is told after "my … is"."""

ANSWERS = _words(
    "yes yeah yep yup no nope nah sure okay ok right correct exactly please thanks thank you of course "
    "not really absolutely definitely it is that's that right i do don't am did didn't "
    "ja nein genau bitte danke gerne sí si claro vale por favor gracias oui non d'accord merci sì certo grazie"
)
ANSWER_WORDS = 4

DIGITS = _words(
    "zero oh one two three four five six seven eight nine "
    "null eins zwei zwo drei vier fünf sechs sieben acht neun cero uno dos tres cuatro cinco seis siete ocho nueve "
    "zéro deux trois quatre cinq sept huit neuf due tre quattro cinque sei sette otto nove "
    "零 〇 一 二 三 四 五 六 七 八 九 幺"
)

_MORE = (
    "然后 还有 因为 所以 但是 可是 不过 而且 如果 要是 假如 或者 或 以及 和 跟 比如 比如说 例如 就是说 那么 那个 的话 "
    "关于 对于 除了 为了 由于 虽然 尽管 即使 只要 并且 另外 首先 其次 从 请问 我想 我想要 我要 帮我 我叫 我姓 我的 呃"
)
_WHOLE = "是我的 要那个 是那个 选那个 就那个 可以的话 行的话 暖和 温和 柔和 随和 缓和 平和 服从 听从"
"""What ends so and is whole: "是我的" is "it's mine"."""
ENDS_OPEN = re.compile(rf"(?:{'|'.join(_MORE.split())})${''.join(f'(?<!{word})' for word in _WHOLE.split())}")
"""How `ALWAYS_MORE` is written without spaces."""

ANNOUNCES = re.compile(r"(?:号码?|电话|手机|密码|名字|姓名|地址|邮箱|邮件|生日|日期|验证码|编号)是$")
"""The same of `ANNOUNCED`."""

ANSWERS_YES_OR_NO = re.compile(
    r"(?:是的?|对[的啊呀]?|好[的啊吧]?|嗯|行|可以|当然|没错|没有|不[是用要行对了]?了?|没问题|谢谢|确定|需要|想)+"
)
"""A whole answer to yes or no."""
