"""The exceptions of Fairdial. Expected outcomes are values; these mean that the world broke.

    FairdialError
    ├── SettingsError         a setting or campaign file that cannot be used
    ├── UnusableList          a list file that cannot be read at all (single rows are rejected)
    ├── RulebookError         rule data that must not be trusted
    ├── EngineUnavailable     the telephony engine is down or declined a command
    ├── PermitMisused         somebody tried to dial with an expired, foreign or used permit
    ├── StoreUnavailable      the database is gone, full or refuses us
    │   └── RegistryUnavailable   the file of a registry is gone, damaged or being replaced
    ├── WrongInstallation     sandbox and live data would meet
    ├── CampaignBusy          another dialer holds the campaign
    ├── Overtaken            somebody changed a row between our reading and our writing
    └── ImpossibleEvent       an event that a state machine cannot have in its state

Messages say what failed, where, and what the reader can do.
"""


class FairdialError(Exception):
    """Everything that Fairdial raises on purpose."""


class SettingsError(FairdialError):
    """A setting or campaign file that cannot be used; names the key and what it should be."""


class UnusableList(FairdialError):
    """A list file that cannot be read at all; names the file, the place and the remedy."""


class RulebookError(FairdialError):
    """Rule data that must not be trusted; names the file and the rule."""


class EngineUnavailable(FairdialError):
    """The telephony engine is down or declined a command."""


class PermitMisused(FairdialError):
    """Somebody tried to dial with an expired, foreign or used permit. Nothing rang."""


class StoreUnavailable(FairdialError):
    """The database is gone, full or refuses us."""


class RegistryUnavailable(StoreUnavailable):
    """The file of a do-not-call registry is gone, damaged, or being replaced by somebody else.

    It is part of the truth that the database names, so a run ends by it as by a lost database.
    """


class WrongInstallation(FairdialError):
    """Sandbox and live data would meet."""


class CampaignBusy(FairdialError):
    """Another dialer holds the campaign, or took it over."""


class ImpossibleEvent(FairdialError):
    """An event that a state machine cannot have in its state. Nothing was changed."""


class Overtaken(FairdialError):
    """Somebody changed a row between our reading and our writing. Nothing was changed by us."""
