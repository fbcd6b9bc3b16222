"""Numbers: from what a list says to E.164, or a sentence about what is wrong with it.

`phonenumbers` decides what a valid number is; North American numbers in a usual spelling take a
shorter path to the same answer. Refuses to know where a number is (`jurisdiction`) or whether it
may be called (`rules`). Next stop of an accepted number: a lead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

from fairdial.core.ids import E164

TEXT_MAX = 64
"""The longest text that is looked at, characters. Nothing that long is one number."""

_DIGITS_MAX = 15
"""The most digits of an E.164 number, country code included (ITU-T E.164, 6.1)."""

_PREMIUM = "it is a premium-rate number: whoever answers would pay for it"

_NANP_REGIONS = frozenset(phonenumbers.region_codes_for_country_code(1))
_NANP_TEXT = re.compile(
    r"(?:\+?1[\s.\-]*)?\(?([0-9]{3})\)?[\s.\-]*([0-9]{3})[\s.\-]*([0-9]{4})", re.ASCII
)
_E164_SHAPE = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_NANP_SHAPE = re.compile(r"\+1[0-9]{10}", re.ASCII)
_DRAMA = re.compile(
    # Ofcom, "Telephone numbers for use in TV and radio drama programmes": a thousand numbers each
    # of cities, of no area (01632), Northern Ireland and mobile. Those that nobody lives behind
    # (freephone, UK-wide, premium) are left out: no rule would let them be called anyway.
    r"\+44(?:11[345678]4960|1[2345]14960|1914980|2079460|2896496|2920180|1632960|7700900)[0-9]{3}"
    # ACMA, "Phone numbers for use in TV shows, films and creative works": two ranges of each
    # geographic area.
    r"|\+61[2378](?:5550|7010)[0-9]{4}",
    re.ASCII,
)
_EXTENSION = re.compile(r"(?:\bext(?:ension)?\.?|x|#|;ext=)\s*[0-9]{1,7}\s*$", re.IGNORECASE)
_ROUNDED = re.compile(r"[0-9]+[.,]?[0-9]*e\+?[0-9]+", re.IGNORECASE)
_JUNK = " \t\r\n\v\f'\"`´‘’“”,;:.-–—_*~|<>[]{}\u200b\u200c\u200d\u200e\u200f\u202a\u202c\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFault:
    """Why a text is not a number that can be called."""

    text: str
    """What was read, cut to 64 characters."""
    why: str
    """A sentence for the person who looks after the list."""


def parse_e164(
    text: str, *, region: str = "US", area_codes: Container[str] = frozenset()
) -> E164 | NumberFault:
    """Read one telephone number; a text without `+` is read as dialed in `region`.

    `area_codes` are North American area codes known to be in service even where the phone metadata
    does not have them yet (`rulebook.area_codes` serves). Never raises, never guesses: letters and
    extensions are refused, not dropped. Bounded: texts over 64 characters are not looked into.
    """
    if len(text) > TEXT_MAX:
        return NumberFault(
            text=text[:TEXT_MAX],
            why=f"{len(text)} characters are too many for one number; {TEXT_MAX} are the most",
        )
    clean = unicodedata.normalize("NFKC", text).strip(_JUNK)
    if clean[:4].lower() == "tel:":
        clean = clean[4:].strip(_JUNK)
    if not clean:
        return NumberFault(text=text, why="there is no number in it")
    reads_as_nanp = clean.startswith("+1") or (region in _NANP_REGIONS and clean[0] != "+")
    match = _NANP_TEXT.fullmatch(clean) if reads_as_nanp else None
    if match:
        digits = "".join(match.groups())
        why = nanp_fault(digits, area_codes)
        return NumberFault(text=text, why=why) if why else E164("+1" + digits)
    return _parse_other(text, clean, region, area_codes)


def nanp_fault(digits: str, area_codes: Container[str] = frozenset()) -> str | None:
    """What is wrong with the ten digits of a North American number, or None.

    The shape is that of the numbering plan: NPA-NXX-XXXX, N from 2 to 9, no area code N11. Whether
    the area code is in service is known by the phone metadata or by `area_codes`.
    """
    npa, exchange = digits[:3], digits[3:6]
    if npa[0] in "01":
        return f"area code {npa} starts with {npa[0]}; area codes start with 2 to 9"
    if npa[1:] == "11":
        return f"{npa} is a service code, not an area code"
    if npa == "555":
        return "555 is not an area code"
    if npa == "900":
        return "900 is a premium-rate number: whoever answers would pay for it"
    if exchange[0] in "01":
        return f"exchange {exchange} starts with {exchange[0]}; exchanges start with 2 to 9"
    if npa not in area_codes and not _is_assigned(digits[:6]):
        return f"area code {npa} with exchange {exchange} is not in service"
    return None


@lru_cache(maxsize=65536)
def _is_assigned(six: str) -> bool:
    """Validity of a North American number depends on its first six digits only (measured)."""
    return phonenumbers.is_valid_number(
        phonenumbers.PhoneNumber(country_code=1, national_number=int(six + "2345"))
    )


def _parse_other(
    text: str, clean: str, region: str, area_codes: Container[str]
) -> E164 | NumberFault:
    """The long way: everything that is not a North American number in a usual spelling."""
    if _ROUNDED.fullmatch(clean):
        return NumberFault(
            text=text,
            why="a spreadsheet rounded it (1.3E+10); export the column as text and import again",
        )
    if _EXTENSION.search(clean):
        return NumberFault(text=text, why="it has an extension; a dialer cannot reach extensions")
    letters = "".join(sorted({c for c in clean if c.isalpha()}))
    if letters:
        return NumberFault(text=text, why=f"it contains letters ({letters[:12]})")
    digits = sum(c.isdigit() for c in clean)
    if digits == 0:
        return NumberFault(text=text, why="there is no digit in it")
    if digits > _DIGITS_MAX + 4:
        return NumberFault(
            text=text, why=f"{digits} digits are too many for one number; is it more than one?"
        )
    try:
        number = phonenumbers.parse(clean, region)
    except phonenumbers.NumberParseException as error:
        return NumberFault(text=text, why=_parse_fault(error, digits))
    national = str(number.national_number)
    if number.country_code == 1:
        if len(national) != 10 or number.italian_leading_zero:
            return NumberFault(text=text, why=_nanp_length_fault(digits, national))
        why = nanp_fault(national, area_codes)
        return NumberFault(text=text, why=why) if why else E164("+1" + national)
    if not phonenumbers.is_valid_number(number):
        return NumberFault(text=text, why=_invalid(number))
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        return NumberFault(text=text, why=_PREMIUM)
    return E164(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _nanp_length_fault(digits: int, national: str) -> str:
    """Ten digits make a North American number; say how many there were."""
    size = "short" if len(national) < 10 else "long"
    return f"it is too {size}: {digits} digits, a North American number has 10 (11 with the 1)"


def _parse_fault(error: phonenumbers.NumberParseException, digits: int) -> str:
    """The library's reasons in words for the person who looks after the list."""
    kinds = phonenumbers.NumberParseException
    if error.error_type == kinds.INVALID_COUNTRY_CODE:
        return "its country code does not exist"
    if error.error_type in (kinds.TOO_SHORT_NSN, kinds.TOO_SHORT_AFTER_IDD):
        return f"it is too short: {digits} digits"
    if error.error_type == kinds.TOO_LONG:
        return f"it is too long: {digits} digits, {_DIGITS_MAX} are the most"
    return "it does not look like a telephone number"


def _invalid(number: phonenumbers.PhoneNumber) -> str:
    """Why a number that parsed is none of its country's."""
    reason = phonenumbers.is_possible_number_with_reason(number)
    country = f"+{number.country_code}"
    if reason == phonenumbers.ValidationResult.TOO_SHORT:
        return f"it is too short for a number of {country}"
    if reason == phonenumbers.ValidationResult.TOO_LONG:
        return f"it is too long for a number of {country}"
    return f"no number of {country} has this form"


def is_e164(number: str) -> bool:
    """Whether the text has the form of E.164, whatever it reaches."""
    return _E164_SHAPE.fullmatch(number) is not None


def is_nanp(number: str) -> bool:
    """Whether it is `+1` and ten digits: the United States, Canada and 20-odd islands."""
    return _NANP_SHAPE.fullmatch(number) is not None


def area_code(number: str) -> str | None:
    """The area code of a North American number; None for every other number."""
    return number[2:5] if is_nanp(number) else None


def is_fictional(number: str) -> bool:
    """Whether it is one of the numbers that are kept free for fiction; such numbers reach nobody.

    North America: 555-0100 to 555-0199 of every area code (the numbering plan's 555 guidelines).
    United Kingdom and Australia: the ranges below.
    """
    return (is_nanp(number) and number[5:10] == "55501") or _DRAMA.fullmatch(number) is not None


def number_fault(number: str, area_codes: Container[str] = frozenset()) -> str | None:
    """Why a number in E.164 form cannot be called, or None.

    The form, a North American number's shape and area code, a country code that nobody has, and
    premium numbers, whose called party would pay.
    """
    if not is_e164(number):
        return f"{number[:20]!r} is not a number in E.164 form"
    if number.startswith("+1"):
        if not is_nanp(number):
            return f"{number[:20]!r} is not +1 and ten digits"
        return nanp_fault(number[2:], area_codes)
    if region_of(number) is None:
        return f"{number[:20]!r} belongs to no country's numbering plan"
    if _kind_of(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        return _PREMIUM
    return None


def national_digits(number: str) -> str:
    """The digits after the country code; nothing when the country code is none."""
    parsed = _parsed(number)
    return "" if parsed is None else phonenumbers.national_significant_number(parsed)


def has_place(number: str) -> bool:
    """Whether a number outside North America is of a kind that is issued somewhere.

    Toll-free, shared-cost, personal and company-wide numbers say nothing of a place; a mobile
    number says its country.
    """
    return _kind_of(number) not in _KINDS_WITHOUT_A_PLACE


_KINDS_WITHOUT_A_PLACE = frozenset(
    {
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
        phonenumbers.PhoneNumberType.PAGER,
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.VOICEMAIL,
    }
)


@lru_cache(maxsize=4096)
def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None


@lru_cache(maxsize=4096)
def _kind_of(number: str) -> int:
    parsed = _parsed(number)
    unknown: int = phonenumbers.PhoneNumberType.UNKNOWN
    return unknown if parsed is None else int(phonenumbers.number_type(parsed))


@lru_cache(maxsize=4096)
def region_of(number: str) -> str | None:
    """The ISO 3166-1 country of a number outside North America; None when it belongs to none.

    Satellite and other world-wide numbers belong to none.
    """
    parsed = _parsed(number)
    if parsed is None:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    if region is None and parsed.country_code is not None:
        # A number of no known pattern still has a country code; its main country stands for it.
        region = phonenumbers.region_code_for_country_code(parsed.country_code)
    return None if region in (None, "001", "ZZ") else region
