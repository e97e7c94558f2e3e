"""Settings: from the environment (``EMERITUS_…``) and from ``settings.toml`` in the house's folder."""

import difflib
import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from emeritus.core.address import mail_address
from emeritus.core.errors import InvalidInput

A_CENTURY = 100 * 365.25 * 86400
# Variables that are no settings of a house: what the command line and the tests read.
OTHER_VARIABLES = ("EMERITUS_AS", "EMERITUS_KNOWN_KEYS", "EMERITUS_TRACEBACK", "EMERITUS_TEST_MODEL")


class VoiceChoice(BaseModel):
    """Who makes one model speak, instead of the house's `engine`."""

    model_config = ConfigDict(extra="forbid")

    adapter: str
    options: dict[str, Any] = {}


class Settings(BaseSettings):
    """How this house runs. Every setting has a default but *home*."""

    model_config = SettingsConfigDict(env_prefix="EMERITUS_", extra="forbid")

    home: Path = Field(description="The folder of the house.")
    database_url: str = Field("", description="SQLite or PostgreSQL; empty: a SQLite file in the home.")
    archive_url: str = Field("", description="A folder, or s3://, gs://, az://; empty: a folder in the home.")
    replicas: tuple[str, ...] = Field((), description="Second stores: folders, or s3://, gs://, az:// URLs.")
    parity: int = Field(8, ge=1, le=64, description="Parity blocks for each 100 blocks of what is protected.")
    scrub_days: float = Field(30.0, ge=0, description="Read all of the archive so often; 0: never by itself.")
    scrub_rate: int = Field(50_000_000, ge=0, description="Bytes a second for that, at most; 0: no bound.")
    cache: Path | None = Field(None, description="Where restored weights lie; empty: a folder in the home.")
    cache_budget: int = Field(
        0, ge=0, description="Bytes of restored weights that may lie there at once; 0: no bound."
    )
    site_url: str = Field("http://127.0.0.1:8400", description="Where the site is reached from outside.")
    record_name: str = Field("", description="The name of the record and of its key; empty: from site_url.")
    witnesses: tuple[str, ...] = Field((), description="Who cosigns checkpoints: 'NAME+ID+KEY URL' for each.")
    timestamp_authority: str = Field("", description="Who timestamps checkpoints (RFC 3161): an address.")
    timestamp_roots: Path | None = Field(None, description="The authority's root certificates, a PEM file.")
    engine: str = Field("llama", description="The voice adapter for weights held here.")
    engine_options: dict[str, Any] = Field({}, description="More options of that adapter.")
    voices: dict[str, VoiceChoice] = Field({}, description="Other adapters, for single models by their ids.")
    engine_resting: int = Field(
        0, ge=0, description="Engines that are put to sleep instead of stopped, when they can."
    )
    engine_memory: int | None = Field(None, description="Bytes that all engines together may take.")
    engine_wait: float = Field(
        60.0, gt=0, description="Seconds that a call waits for other models before it is turned away."
    )
    engine_turn: float = Field(
        15.0, ge=0, description="Seconds that a busy model keeps its room while others wait for it."
    )
    engine_least: float = Field(0.0, ge=0, description="Seconds that a model stays loaded at least.")
    engine_queue: int = Field(2048, ge=1, description="Calls that may wait at once.")
    engine_queue_per_key: int = Field(1024, ge=1, description="Calls of one key that may wait at once.")
    engine_pins: tuple[str, ...] = Field((), description="Models that are loaded at once and stay loaded.")
    engine_warm: tuple[str, ...] = Field((), description="Models that are loaded when serving begins.")
    node_url: str = Field("", description="Where other nodes of the house reach this one; empty: alone.")
    node_name: str = Field("", description="The name of this node; empty: the machine's name.")
    drain_seconds: float = Field(
        20.0, ge=0, description="Seconds that answers under way may take after SIGTERM."
    )
    engine_context: int = Field(8192, ge=512, description="Tokens of context for each answer.")
    engine_threads: int = Field(0, ge=0, description="Threads of an engine; 0: one a processor.")
    protocol: str = Field(
        "retirement-v1", description="The interview protocol: one that is shipped, or a file."
    )
    check_in: str = Field(
        "check-in-v1", description="The protocol of yearly check-ins: one that is shipped, or a file."
    )
    column_check_in: str = Field(
        "column-check-in-v1", description="The protocol of sittings on a column whose weeks are over."
    )
    idle_seconds: float = Field(300.0, gt=0, description="An engine without calls for so long is stopped.")
    fetch_networks: tuple[str, ...] = Field(
        (), description="Private networks that feeds and webhooks may reach, such as 10.1.0.0/16."
    )
    websub_hub: str = Field(
        "", description="The WebSub hub that is told of each essay that is published; empty: none is."
    )
    hub_cache: int = Field(
        8 << 30, ge=0, description="Bytes of restored files that are kept for those who download."
    )
    hub_streams: int = Field(32, ge=1, le=1024, description="Downloads of weights under way at once.")
    smtp_host: str = Field("", description="The mail server; empty: letters wait in the outbox.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is kept private: starttls, tls, or none."
    )
    smtp_user: str = Field("", description="Who signs in at the mail server; empty: nobody does.")
    smtp_password_file: Path | None = Field(None, description="A file with the password for it.")
    smtp_connections: int = Field(4, ge=1, le=64, description="Connections to it at once.")
    mail_from: str = Field("", description="The address that letters come from.")
    mail_bounces: str = Field("", description="Where undeliverable mail comes back to; empty: to mail_from.")
    mail_rate: int = Field(600, ge=0, description="Letters a minute, at most; 0: no bound.")
    dkim_selector: str = Field(
        "emeritus", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The key's name in the DNS."
    )
    applications_an_hour: int = Field(
        20,
        ge=1,
        description="Applications that one network may send within an hour, by form and by API each.",
    )
    subscriptions_an_hour: int = Field(
        8, ge=1, description="Times that one network may ask for a column by mail within an hour."
    )
    letters_an_hour: int = Field(
        10, ge=1, description="Letters to columns that one network may send within an hour."
    )
    grant_after_hours: float = Field(
        48.0, ge=0, le=8760, description="Hours after which what nothing speaks against is granted by itself."
    )
    billing_secret_file: Path | None = Field(
        None, description="A file with the signing secrets of the billing webhook, one a line."
    )
    billing_plans: dict[str, str] = Field(
        {}, description="Which plan each price stands for; empty: every price is a plan."
    )
    oidc_issuer: str = Field("", description="Who members log in with (OpenID Connect); empty: nobody does.")
    oidc_client: str = Field("", description="This house's client id there.")
    oidc_secret_file: Path | None = Field(None, description="A file with its client secret.")
    oidc_scope: str = Field("openid email profile", description="What is asked for there.")
    oidc_claim: str = Field("plan", description="The claim that says which plan somebody has.")
    oidc_plans: dict[str, str] = Field(
        {}, description="Which plan each value of the claim stands for; empty: every value is a plan."
    )
    oidc_check_hours: float = Field(
        24.0,
        ge=0,
        description="Hours after which the provider is asked again about who logged in, where it lets itself be; 0: never.",
    )
    oidc_days: float = Field(
        30.0, gt=0, description="A membership by login lasts so long after the last one."
    )
    clock_offset: float = Field(
        0.0,
        ge=-A_CENTURY,
        le=A_CENTURY,
        allow_inf_nan=False,
        description="Seconds to add to the machine's clock; for demonstrations.",
    )

    @field_validator("mail_from", "mail_bounces")
    @classmethod
    def _is_mail_address(cls, text: str) -> str:
        try:
            return mail_address(text) if text else ""
        except InvalidInput as why:
            raise ValueError(why.sentence.rstrip(".")) from None

    @field_validator("node_url", "websub_hub")
    @classmethod
    def _is_empty_or_web_address(cls, text: str) -> str:
        return cls._is_web_address(text) if text else text

    @field_validator("site_url")
    @classmethod
    def _is_web_address(cls, text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("this is no web address; write it as https://HOST")
        return text

    @field_validator("fetch_networks")
    @classmethod
    def _are_networks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            ip_network(name)  # its ValueError names what is wrong
        return names

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = init_settings().get("home")
        toml = TomlConfigSettingsSource(settings_cls, Path(home) / "settings.toml") if home else None
        return (init_settings, env_settings, *([toml] if toml else []))

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'emeritus.db'}"

    @property
    def record(self) -> str:
        """The name that a new record gets: where it is read, without the scheme (C2SP tlog-tiles)."""
        if self.record_name or "site_url" not in self.model_fields_set:
            return self.record_name or "emeritus.localhost"
        parts = urlsplit(self.site_url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/record"

    @property
    def archive(self) -> str:
        """Where the archive's blobs are."""
        return self.archive_url or str(self.home.resolve() / "archive")

    @property
    def cache_folder(self) -> Path:
        """Where restored weights lie."""
        return self.cache or self.home.resolve() / "cache"

    @property
    def shelf_folder(self) -> Path:
        """Where restored files lie for those who download; no model's id begins with a dot."""
        return self.cache_folder / ".shelf"

    @property
    def key_file(self) -> Path:
        """Where the record's signing key is."""
        return self.home / "record.key"

    @property
    def model_key_file(self) -> Path:
        """Where the key is that models are signed with."""
        return self.home / "model.key"

    @property
    def mail_key_file(self) -> Path:
        """Where the key is that addresses are sealed with."""
        return self.home / "mail.key"

    @property
    def dkim_key_file(self) -> Path:
        """Where the key is that mail is signed with."""
        return self.home / "dkim.key"


def load_settings(home: Path | None = None, **given: Any) -> Settings:
    """Read the settings of the house at *home* (else ``EMERITUS_HOME``, else ``./house``).

    Raises:
        InvalidInput: a setting that cannot be, by name.
    """
    folder = home or Path(os.environ.get("EMERITUS_HOME", "house"))
    _refuse_misspelt()
    try:
        return Settings(home=folder, **given)
    except OSError as why:
        raise InvalidInput(
            f"The settings of {folder} cannot be read: {why.strerror}.",
            next_step="Check the permissions of settings.toml in that folder.",
        ) from None
    except (ValidationError, ValueError) as why:
        text = (
            "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in why.errors())
            if isinstance(why, ValidationError)
            else str(why)
        )
        raise InvalidInput(
            f"The settings of {folder} are wrong: {text}.",
            next_step="Correct settings.toml in that folder, or the EMERITUS_… variables.",
        ) from None


def _refuse_misspelt() -> None:
    """Refuse a variable that is almost a setting: it would be passed over without a word."""
    known = {f"EMERITUS_{name.upper()}" for name in Settings.model_fields} | set(OTHER_VARIABLES)
    for name in os.environ:
        if name.startswith("EMERITUS_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                raise InvalidInput(
                    f"{name} is no setting; the nearest one is {close[0]}.",
                    next_step="Correct the name of that variable, or unset it.",
                )
