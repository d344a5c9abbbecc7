"""The rows of logins, in a file and in PostgreSQL: what holds in both, also when many come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from authn_server import PASSWORD
from deriva_catalog.access import Attribute, Client, Scope
from deriva_catalog.errors import Conflict, Forbidden, NotFound, Unavailable
from deriva_catalog.server.authn import accounts, logins
from deriva_catalog.server.authn.limits import Limit, Limits, forgive, seconds_to_wait
from deriva_catalog.server.authn.listening import keep_address, known_address
from deriva_catalog.server.authn.people import keep_client, known_client
from deriva_catalog.server.authn.secrets import digest_of
from deriva_catalog.server.authn.sessions import Sessions, TooManyAttempts
from deriva_catalog.server.authn.settings import AuthnSettings
from deriva_catalog.server.authn.tables import METADATA, addresses, form, sessions, tokens
from deriva_catalog.server.authn.tokens import create_token, revoke_token
from postgres import database

T = TypeVar("T")
SETTINGS = AuthnSettings(memory_seconds=0.001)
NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with database() as found:
        yield found.url


@pytest.fixture(params=["sqlite", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Sessions]]:
    """Opens the same logins again and again, as several processes do."""
    made: list[Sessions] = []
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None

    def open_again() -> Sessions:
        if url is None:
            found = Sessions.of_home(tmp_path, SETTINGS)
        else:
            found = Sessions.of_database(url, SETTINGS)
        found.clock = lambda: NOW
        made.append(found)
        return found

    yield open_again
    with made[0].store.writing() as connection:
        for table in reversed(METADATA.sorted_tables):
            if table is not form:
                connection.execute(sa.delete(table))
    for one in made:
        one.close()


@pytest.fixture
def kim(make: Callable[[], Sessions]) -> Sessions:
    """Logins where kim has an account, which needs no password for most tests."""
    found = make()
    accounts.add_account(found.store, "kim", None, now=NOW)
    return found


@pytest.fixture
def with_password(kim: Sessions) -> Sessions:
    accounts.set_password(kim.store, "kim", PASSWORD)
    return kim


def logged_in(sessions: Sessions) -> str:
    secret = sessions.log_in_by_link(sessions.link_for("kim"), None)
    assert secret is not None
    return secret


def at_once(work: Callable[[], T], count: int = 8) -> list[T | BaseException]:
    """What becomes of the same work in several threads that begin together."""
    barrier = threading.Barrier(count)

    def one(_: int) -> T | BaseException:
        barrier.wait()
        try:
            return work()
        except (Conflict, TooManyAttempts) as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def headers(secret: str) -> dict[str, str]:
    return {"cookie": f"webauthn={secret}"}


def test_many_find_the_tables_being_made(make: Callable[[], Sessions]) -> None:
    found = at_once(lambda: accounts.list_accounts(make().store), 4)
    assert found == [[]] * 4


def test_of_many_who_use_a_link_one_gets_in(kim: Sessions) -> None:
    secret = kim.link_for("kim")
    found = at_once(lambda: kim.log_in_by_link(secret, "::1"))
    assert sum(isinstance(one, str) for one in found) == 1


def test_of_many_who_make_an_account_one_has_it(make: Callable[[], Sessions]) -> None:
    store = make().store
    found = at_once(lambda: accounts.add_account(store, "ada", None, now=NOW), 4)
    assert sum(one is None for one in found) == 1
    assert sum(isinstance(one, Conflict) for one in found) == 3


def test_logins_at_the_same_time_are_sessions_of_their_own(with_password: Sessions) -> None:
    kim = with_password
    found = at_once(lambda: kim.log_in("kim", PASSWORD, "::1"), 4)
    assert len({str(one) for one in found}) == 4
    assert {kim.client_of(headers(str(one))).id for one in found} == {"kim"}


def test_another_process_knows_a_session_and_ends_it(
    kim: Sessions, make: Callable[[], Sessions]
) -> None:
    other = make()
    secret = logged_in(kim)
    assert other.client_of(headers(secret)).id == "kim"
    other.log_out(headers(secret))
    assert other.client_of(headers(secret)).is_anonymous
    kim.forget(digest_of(secret))
    assert kim.client_of(headers(secret)).is_anonymous


def test_a_session_that_was_left_is_not_remembered_by_whoever_looked_it_up_meanwhile(
    kim: Sessions,
) -> None:
    for _ in range(5):
        secret = logged_in(kim)
        sent = headers(secret)
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(kim.client_of, sent) for _ in range(20)]
            kim.log_out(sent)
            assert kim.client_of(sent).is_anonymous
            assert {a.result().id for a in asked} <= {"kim", None}
        assert kim.client_of(sent).is_anonymous


def test_another_password_or_a_lock_ends_what_there_is(with_password: Sessions) -> None:
    kim = with_password
    store = kim.store
    _, token = create_token(store, SETTINGS, "kim", "ci", days=1, scope=Scope(), now=NOW)
    first = kim.log_in("kim", PASSWORD, None)
    accounts.set_password(store, "kim", "another password")
    second = kim.log_in("kim", "another password", None)
    assert first is not None
    assert second is not None
    assert kim.client_of(headers(first)).is_anonymous
    assert kim.client_of({"authorization": f"Bearer {token}"}).id == "kim"
    link = kim.link_for("kim")
    accounts.lock_client(store, "kim")
    for secret in (second, token):
        kim.forget(digest_of(secret))
        assert kim.client_of(headers(secret)).is_anonymous
    assert kim.log_in("kim", "another password", None) is None
    assert kim.log_in_by_link(link, None) is None
    with pytest.raises(Forbidden, match="locked"):
        kim.link_for("kim")
    accounts.lock_client(store, "kim", locked=False)
    kim.forget(digest_of(token))
    assert kim.client_of(headers(token)).id == "kim"
    assert kim.client_of(headers(second)).is_anonymous
    accounts.remove_account(store, "kim")
    kim.forget(digest_of(token))
    assert kim.client_of(headers(token)).is_anonymous
    with pytest.raises(NotFound):
        accounts.lock_client(store, "nobody")


def test_what_has_ended_is_cleaned_up(kim: Sessions) -> None:
    old = logins.begin(kim.store, SETTINGS, "kim", NOW - 2 * 86400)
    create_token(kim.store, SETTINGS, "kim", "old", days=1, scope=Scope(), now=NOW - 2 * 86400)
    create_token(kim.store, SETTINGS, "kim", "new", days=1, scope=Scope(), now=NOW)
    assert kim.client_of(headers(old)).is_anonymous
    logged_in(kim)
    with kim.store.reading() as connection:
        kept = set(connection.scalars(sa.select(sessions.c.digest)))
        assert digest_of(old) not in kept
        assert len(kept) == 1
        assert list(connection.scalars(sa.select(tokens.c.name))) == ["new"]


def test_a_client_is_kept_as_it_was_told_last(kim: Sessions) -> None:
    for name in ("One", "Two"):
        told = Client(
            "https://idp/1",
            "one",
            name,
            attributes=(
                Attribute("https://idp/1", "one"),
                Attribute(f"https://idp/g/{name}", name),
            ),
        )
        with kim.store.writing() as connection:
            keep_client(connection, told)
    with kim.store.reading() as connection:
        found = known_client(connection, "https://idp/1")
    assert found is not None
    assert found.full_name == "Two"
    assert found.roles == {"*", "https://idp/1", "https://idp/g/Two"}


def test_a_name_or_password_of_any_text_is_just_wrong(with_password: Sessions) -> None:
    kim = with_password
    store, passwords = kim.store, kim.passwords
    for name, password in (
        ("", "x"),
        ("kim\x00", PASSWORD),
        ("\x00", "\x00"),
        ("x" * 10_000, PASSWORD),
        ("kim", PASSWORD * 1000),
        ("group:lab", PASSWORD),
    ):
        assert accounts.check_password(store, passwords, name, password, NOW) is None
    longest = "y" * 1024
    accounts.set_password(store, "kim", longest)
    assert accounts.check_password(store, passwords, "kim", longest + "z", NOW) is None
    assert accounts.check_password(store, passwords, "kim", longest, NOW) == "kim"
    with pytest.raises(NotFound):
        revoke_token(store, "kim", "\x00")


# --- limits ------------------------------------------------------------------------------


def test_a_limit_shuts_out_the_pair_and_not_others(kim: Sessions) -> None:
    limits = Limits(Limit(3, 60.0), Limit(8, 600.0), Limit(6, 60.0))

    def wait(name: str, address: str | None, at: float = NOW) -> int:
        return seconds_to_wait(kim.store, limits, name, address, at)

    assert [wait("kim", "10.0.0.1") for _ in range(4)] == [0, 0, 0, 60]
    assert wait("KIM", "10.0.0.1") == 60  # the same account
    assert wait("ada", "10.0.0.1") == 0
    assert wait("kim", "10.0.0.2") == 0
    assert wait("kim", "10.0.0.1", NOW + 59) == 1
    assert wait("kim", "10.0.0.1", NOW + 60) == 0
    # An address tries many accounts.
    assert [wait(f"user{n}", "2001:db8::1", NOW) for n in range(6)] == [0] * 6
    assert wait("user9", "2001:db8::ffff") == 60  # the same network
    assert wait("user9", "2001:db8:1::1") == 0
    assert wait("user9", None) == 0


def test_an_account_is_shut_when_all_addresses_try(kim: Sessions) -> None:
    limits = Limits(Limit(3, 60.0), Limit(5, 600.0), Limit(100, 60.0))
    waits = [seconds_to_wait(kim.store, limits, "kim", f"10.0.0.{n}", NOW) for n in range(6)]
    assert waits == [0, 0, 0, 0, 0, 600]


def test_what_was_right_is_forgiven(kim: Sessions) -> None:
    limits = Limits(Limit(3, 60.0), Limit(4, 600.0), Limit(4, 60.0))
    for _ in range(10):
        assert seconds_to_wait(kim.store, limits, "kim", "10.0.0.1", NOW) == 0
        forgive(kim.store, limits, "kim", "10.0.0.1")


def test_many_attempts_at_the_same_moment_gain_nothing(with_password: Sessions) -> None:
    kim = with_password
    kim.settings = AuthnSettings(limits=Limits(pair=Limit(3, 60.0)))
    found = at_once(lambda: kim.log_in("kim", "mistaken", "10.0.0.1"), 12)
    assert sum(one is None for one in found) == 3
    assert sum(isinstance(one, TooManyAttempts) for one in found) == 9
    with pytest.raises(TooManyAttempts) as refused:
        kim.log_in("kim", PASSWORD, "10.0.0.1")  # also the right one
    assert refused.value.seconds == 60
    assert kim.log_in("kim", PASSWORD, "10.0.0.2") is not None


# --- what fails --------------------------------------------------------------------------


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be used"):
        Sessions.of_home(tmp_path / "file", SETTINGS)


def test_the_address_of_the_service_is_known_to_those_beside_it(
    make: Callable[[], Sessions],
) -> None:
    with make().store.writing() as connection:
        addresses.drop(connection)  # as an earlier version made the tables
    store = make().store
    assert known_address(store) is None
    keep_address(store, "http://localhost:9000")
    keep_address(store, "https://localhost:9001")
    assert known_address(make().store) == "https://localhost:9001"


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    first = Sessions.of_home(tmp_path, SETTINGS)
    with first.store.writing() as connection:
        connection.execute(sa.update(form).values(version=99))
    first.close()
    with pytest.raises(Unavailable, match="the form 99"):
        Sessions.of_home(tmp_path, SETTINGS)


def test_a_damaged_database_is_told_and_nobody_is_let_in(tmp_path: Path) -> None:
    (tmp_path / "service.db").write_text("this is no database, though it has some length")
    with pytest.raises(Unavailable, match="cannot be used"):
        Sessions.of_home(tmp_path, SETTINGS)


def test_a_database_that_is_away_is_told_without_its_password() -> None:
    with pytest.raises(Unavailable) as told:
        Sessions.of_database("postgresql://kim:hidden@127.0.0.1:1/none", SETTINGS)
    assert "hidden" not in str(told.value)
