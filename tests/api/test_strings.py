"""The texts of the pages: each stands in every table, a page shows no other, and the browser chooses the language."""

import json

import pytest
from markupsafe import Markup

from kelvin_provision.access.levels import Level
from kelvin_provision.api.ui import rendering, words
from kelvin_provision.api.ui.strings.languages import ENGLISH, LANGUAGES, preferred
from kelvin_provision.api.ui.strings.texts import texts_in
from kelvin_provision.api.ui.weights import LONGEST, MOST
from kelvin_provision.ledger.model.orders import Outcome
from kelvin_provision.queries.items import NOT_RUNNING
from kelvin_provision.spec.enums import State
from kelvin_provision.status import Trouble, Verb
from tests import strings_table
from tests.kit.browser import Browser, as_level

TRANSLATIONS = [language for language in LANGUAGES if language != ENGLISH]
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en-US;q=0.8,en;q=0.7"}


@pytest.fixture(scope="module")
def uses():
    return strings_table.uses()


# --- the table ------------------------------------------------------------------------------------


def test_each_text_is_given_the_values_that_it_has_places_for(uses):
    wrong = [use for use in uses if use.names is not None and use.names != strings_table.placeholders(use.text)]
    assert wrong == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_is_complete_sorted_and_has_the_same_places(uses, language):
    text = strings_table.path_of(language).read_text("utf-8")
    table = json.loads(text)
    assert (text, set(table)) == (strings_table.written(table), {use.text for use in uses}), "run: python -m tests.strings_table"
    assert [english for english, other in table.items() if not other.strip()] == [], "to be translated"
    assert [english for english, other in table.items() if strings_table.placeholders(english) != strings_table.placeholders(other)] == []
    assert [english for english, other in table.items() if english[-1:] in ".:" and other[-1:] != english[-1:]] == []


@pytest.mark.parametrize("path", strings_table.TEMPLATES, ids=lambda path: path.name)
def test_a_template_shows_no_text_of_its_own(path):
    assert strings_table.unsaid(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>Text {{ name }}</p>", ["Text"]),
        ("<p {% if x %}hidden{% endif %}>{{ _('Text') }}</p>", []),
        ('<a aria-label="Pages" class="quiet">{{ icon("warn") }}</a>', ["Pages"]),
        ("<p>{{ image if image else 'none' }}</p>", ["none"]),
        ("<p>{{ long(image or 'none') }}: {{ names | join(' and ') }}</p>", ["none"]),
        ("<b class=\"{{ 'ok' if x else 'bad' }}\"><code>text</code></b>", []),
        ('<p data-text="{{ _(\'Text\') }}" data-other="Text">', ["Text"]),
    ],
)
def test_texts_outside_of_the_table_are_found(template, found):
    assert strings_table.unsaid(template) == found


def test_texts_that_are_put_together_are_found():
    for source in ('_(f"{count} lines")', '_("no " + name)', 'deferred(f"{name}")'):
        (use,) = strings_table.in_module(source, "")
        assert use.names != strings_table.placeholders(use.text)
    for text in ("{0}", "{name!r}", "{name.secret}", "{name:>8}"):
        with pytest.raises(ValueError, match="a placeholder is a name"):
            strings_table.placeholders(text)


def test_every_state_order_and_outcome_has_its_word_and_in_english_that_of_the_platform():
    assert {state: words.STATES[state] for state in State} == {state: state.message for state in State}
    assert set(words.STATES) == {*State, *Trouble, NOT_RUNNING}
    assert set(words.TITLES) == set(Verb)
    english = texts_in(ENGLISH)
    assert all(words.outcome(english, outcome).word for outcome in Outcome)


def test_every_refusal_that_a_page_shows_has_its_title_in_the_table():
    assert strings_table.refused() <= set(rendering.REFUSED)


# --- a text ---------------------------------------------------------------------------------------


def test_values_are_never_read_as_places_or_as_html():
    texts = texts_in("de")
    assert texts("Undeploy {name}", name="{name.__class__}<b>") == "{name.__class__}<b> entfernen"
    assert str(
        texts("At the box, type {command}, or {other} for another password.", command=Markup("<code>x</code>"), other="<b>\x1b")
    ) == ("An der Box <code>x</code> eingeben, oder &lt;b&gt;\\x1b für ein anderes Passwort.")
    assert texts("not in the table {count}", count=3) == "not in the table 3"


# --- which language -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("fr-FR, fr;q=0.9, de;q=0.5, en;q=0.4", "de"),
        ("fr, *;q=0.1", "en"),
        ("fr", "en"),
        ("en;q=0, de;q=0.001", "de"),
        ("en;q=0, *", "de"),
        ("de;q=0, fr", "en"),
        ("de;q=0, en;q=0", "en"),
        ("de, en", "de"),
        ("en, de", "en"),
        ("de;q=0.5, de-CH, en;q=0.9", "de"),
        ("de-1996", "de"),
        ("de-DE ;\tq=1.000 ,, en ; q=0.", "de"),
        ("de;q=1.001", "en"),
        ("de;q=0.1234", "en"),
        ("de;q=-1", "en"),
        ("de;q=1e0", "en"),
        ("de;q=.5", "en"),
        ("de;q=\u0661", "en"),
        ("de;level=1", "en"),
        ("de; q=1; q=0", "en"),
        ("de_DE", "en"),
        ("deutsch", "en"),
        ("de-", "en"),
        ("de\n, en", "en"),
        ("de, <script>", "en"),
        ("../de", "en"),
        (",".join(["fr"] * (MOST - 1) + ["de"]), "de"),
        (",".join(["fr"] * MOST + ["de"]), "en"),
        ("de," + " " * LONGEST, "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_prefers(header, language):
    assert preferred(header) == language


@pytest.mark.parametrize("where", ["/ui/login", "/ui/", "/ui/workloads/pump", "/ui/history", "/ui/activate?name=pump", "/ui/nothing"])
def test_a_page_says_its_language_and_that_it_depends_on_the_browser(quiet, where):
    browser = as_level(quiet, Level.OPERATE) if where != "/ui/login" else Browser(quiet)
    for headers, language in ((GERMAN, "de"), ({}, "en"), ({"Accept-Language": "tlh"}, "en")):
        answer = browser.get(where, headers)
        assert (answer.headers["content-language"], answer.headers["vary"], answer.headers["cache-control"]) == (
            language,
            "Accept-Language, Accept-Encoding",
            "no-store",
        )
        assert "etag" not in answer.headers, "the tag would have to be that of the language"
        assert f'<html lang="{language}">' in answer.body.decode()


def test_a_page_in_german(box, api):
    browser = as_level(api, Level.OPERATE)
    text = browser.get("/ui/", GERMAN).body.decode()
    assert "Alle bereiten aktivieren (2)" in text
    assert "Läuft</span>" in text
    assert "Bereit</span>" in text
    assert 'aria-label="Seiten"' in text
    wrong = Browser(api).get("/ui/history?name=%3Cb%3E", GERMAN)
    assert wrong.status == 303
    answer = browser.get("/ui/?sort=name", GERMAN).body.decode()
    assert "<h1>Die Abfrage ist ungültig.</h1>" in answer
    assert '<span lang="en">unknown parameter &#39;sort&#39;' in answer, "what is wrong with this request comes from below, in English"
    assert (
        browser.post("/ui/login", {"username": "read", "password": "wrong"}, GERMAN).body.decode().count("Die Anmeldung wurde abgelehnt")
        == 1
    )


def test_what_is_kept_by_a_browser_is_the_same_in_every_language(quiet):
    text = Browser(quiet).get("/ui/login", GERMAN).body.decode()
    assert text.count("/ui/assets/") == 3
    for part in text.split('"'):
        if part.startswith("/ui/assets/"):
            assert part in Browser(quiet).get("/ui/login").body.decode()
            assert quiet.ask("GET", part).headers["vary"] == "Accept-Encoding"
