"""Settings fail loudly, with the variable's name."""

from __future__ import annotations

import pytest

from fairdial.exceptions import SettingsError
from fairdial.settings import read_settings


def complaint(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return str(caught.value)


def test_nothing_set_is_the_sandbox_on_this_machine() -> None:
    settings = read_settings({})
    assert settings.sandbox
    assert settings.web_host == "127.0.0.1"
    assert settings.database_url is None


def test_an_unknown_variable_is_named_with_the_nearest_one() -> None:
    assert "did you mean FAIRDIAL_WEB_PORT?" in complaint(FAIRDIAL_WEBPORT="8000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FAIRDIAL_WEB_PORT", "a lot"),
        ("FAIRDIAL_SIP_PORT", "70000"),
        ("FAIRDIAL_SANDBOX", "perhaps"),
        ("FAIRDIAL_LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_be_is_named(name: str, value: str) -> None:
    said = complaint(**{name: value})
    assert name in said
    assert value in said


@pytest.mark.parametrize("name", ["FAIRDIAL_DATA_DIR", "FAIRDIAL_TRUNKS", "FAIRDIAL_WEB_PORT"])
def test_a_variable_that_is_set_to_nothing_is_no_default(name: str) -> None:
    assert complaint(**{name: " "}) == f"{name} is set, but empty: give it a value, or unset it"


def test_a_signature_needs_all_three_parts() -> None:
    with pytest.raises(SettingsError, match="FAIRDIAL_SHAKEN_CERTIFICATE_URL is not set"):
        read_settings({"FAIRDIAL_SHAKEN_KEY_FILE": "shaken.key"})


def test_real_calls_need_a_trunk() -> None:
    assert "FAIRDIAL_TRUNKS" in complaint(FAIRDIAL_SANDBOX="false")


def test_the_page_without_log_in_stays_on_this_machine() -> None:
    assert "no log-in" in complaint(FAIRDIAL_WEB_HOST="0.0.0.0")
