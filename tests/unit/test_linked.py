"""A receipt as JSON-LD: an RDF library reads it, and every DPV term in it is one of the vocabulary's."""

from __future__ import annotations

import json
import os

import jsonschema
import pytest
import rdflib

from desktop_logger import disk
from desktop_logger.consent import linked, receipt
from desktop_logger.paths import shipped
from desktop_logger.records.profiles import SCOPES
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed
from tests.unit.test_ceremony_page import FIVE

pytestmark = pytest.mark.usefixtures("quick_passphrases")

DPV = "https://w3id.org/dpv#"


def made(folder: object, *, organisation: bool) -> receipt.Receipt:
    home = home_in(folder)
    if organisation:
        Organisation().adopt(home)
    return signed(home, HeldClock(), Scripted(yes=("keyboard", "pointer", "train models")))


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib's own
@pytest.mark.parametrize("organisation", [True, False])
def test_an_rdf_library_reads_it_and_finds_what_was_signed(tmp_path: object, organisation: bool) -> None:
    one = made(tmp_path, organisation=organisation)
    text = json.dumps(linked.linked(one))
    graph = rdflib.Graph()
    graph.parse(data=text, format="json-ld")
    dpv = rdflib.Namespace(DPV)
    (record,) = graph.subjects(rdflib.RDF.type, dpv.ConsentRecord)
    assert graph.value(record, dpv.hasConsentStatus) == dpv.ConsentGiven
    assert graph.value(record, dpv.hasLegalBasis) == dpv.ExplicitlyExpressedConsent
    (process,) = graph.objects(record, dpv.hasProcess)
    purposes = {str(graph.value(node, dpv.hasIdentifier)) for node in graph.objects(process, dpv.hasPurpose)}
    assert purposes == set(one.granted_purposes)
    assert len(list(graph.objects(process, dpv.hasPersonalData))) == len(one.granted_scopes)
    readers = {str(graph.value(node, dpv.hasName)) for node in graph.objects(process, dpv.hasRecipient)}
    assert readers == ({"data steward"} if organisation else set())
    assert (graph.value(record, dpv.hasDataController) is not None) is organisation
    used = {str(term)[len(DPV) :] for triple in graph for term in triple if str(term).startswith(DPV)}
    assert used <= set(linked.TERMS)
    assert used >= {"ConsentRecord", "hasConsentStatus", "hasProcess", "hasPurpose", "hasNotice"}


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")  # rdflib's own
def test_all_five_scopes_are_in_it_and_in_the_vocabulary(tmp_path: object) -> None:
    home = home_in(tmp_path)
    Organisation().adopt(home, *FIVE)
    one = signed(home, HeldClock(), Scripted(yes=(*SCOPES, "train models")))
    assert one.granted_scopes == SCOPES
    graph = rdflib.Graph()
    graph.parse(data=json.dumps(linked.linked(one)), format="json-ld")
    dpv, dct = rdflib.Namespace(DPV), rdflib.Namespace("http://purl.org/dc/terms/")
    nodes = list(graph.subjects(rdflib.RDF.type, dpv.PersonalData))
    said = {str(graph.value(node, dct.title)): str(graph.value(node, dct.description)) for node in nodes}
    assert set(said) == set(SCOPES)
    assert said["context"].startswith("context: the kind of program in front")
    assert "what you say yourself: invoice, order" in said["task"]
    assert all(text.endswith(f"Profile: {one.processing.profile}.") for text in said.values())
    used = {str(term)[len(DPV) :] for triple in graph for term in triple if str(term).startswith(DPV)}
    assert used <= set(linked.TERMS)


def test_every_term_is_in_the_shipped_vocabulary() -> None:
    with open(shipped("consent", "dpv-terms.txt"), encoding="utf-8") as file:
        shipped_terms = [line.strip() for line in file if not line.startswith("#")]
    assert shipped_terms == sorted(linked.TERMS) == list(linked.TERMS)


def test_the_receipt_fits_its_json_schema(tmp_path: object) -> None:
    home = home_in(tmp_path)
    Organisation().adopt(home)
    signed(home, HeldClock(), Scripted(yes=("keyboard", "train models")))
    document = json.loads(disk.read(home.receipt, 1 << 20))
    with open(os.path.join(os.path.dirname(shipped("consent", "dpv-terms.txt")), "receipt.schema.json"), "rb") as file:
        # two patterns are in ECMA-262's syntax, as JSON Schema wants it, which Python's own module cannot read
        text = file.read().replace(rb"^[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]+$", rb"^[^\\x00-\\x1f]+$")
    text = text.replace(rb"\\p{Cc}\\p{Cf}\\p{Lu}", rb"\\x00-\\x1fA-Z")
    validator = jsonschema.Draft202012Validator(json.loads(text))
    validator.validate(document)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**document, "more": 1})
