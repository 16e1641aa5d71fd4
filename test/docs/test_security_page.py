"""The SROS2 policy lists exactly what runs, and no request can name a file."""

from importlib.util import find_spec
from xml.etree import ElementTree

import pytest
from doc_pages import ROOT, read, spans

POLICY = ROOT / "config" / "sros2" / "policy.xml"
RULES = {"topics": ("topic", {"publish", "subscribe"}), "services": ("service", {"reply", "request"})}
RULES["actions"] = ("action", {"call", "execute"})
NOT_NODES = {"gmi", "gmi_ros_venv.py"}  # among what is installed
NODES = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file()} - NOT_NODES
ENCLAVES = sorted(f"/{name}" for name in {"caller", "operator"} | NODES)


@pytest.fixture(scope="module")
def profiles() -> dict[str, ElementTree.Element]:
    """The profile of each enclave."""
    root = ElementTree.parse(POLICY).getroot()
    assert root.tag == "policy" and root.attrib == {"version": "0.2.0"} and [e.tag for e in root] == ["enclaves"]
    found = {}
    for enclave in root[0]:
        assert enclave.tag == "enclave" and [e.tag for e in enclave] == ["profiles"]
        assert [e.tag for e in enclave[0]] == ["profile"]
        found[enclave.attrib["path"]] = enclave[0][0]
    return found


def names(profile: ElementTree.Element, right: str) -> set[str]:
    """What a profile has this right to."""
    return {element.text for rule in profile if rule.get(right) == "ALLOW" for element in rule}


def test_the_policy_keeps_the_schema_s_rules(profiles):
    assert list(profiles) == ENCLAVES
    for path, profile in profiles.items():
        assert path == f"{profile.attrib['ns'].rstrip('/')}/{profile.attrib['node']}"
        assert set(profile.attrib) == {"ns", "node"} and len(profile)
        for rule in profile:
            kind, rights = RULES[rule.tag]
            assert len(rule.attrib) == 1 and set(rule.attrib) <= rights and set(rule.attrib.values()) == {"ALLOW"}
            texts = [element.text for element in rule]
            assert {element.tag for element in rule} == {kind} and texts == sorted(set(texts))
            assert all(text.startswith("/") and "*" not in text and "/_" not in text for text in texts)


def test_only_the_operator_may_set_parameters_and_change_states(profiles):
    power = {f"/grasp_synthesizer/{name}" for name in ("set_parameters", "set_parameters_atomically", "change_state")}
    for path, profile in profiles.items():
        assert bool(names(profile, "request") & power) == (path == "/operator"), path
    assert power <= names(profiles["/operator"], "request")
    assert names(profiles["/caller"], "request") == {"/synthesize_grasp", "/grasp_synthesizer/cancel"}


def test_what_one_says_is_for_another(profiles):
    said = {right: set().union(*(names(p, right) for p in profiles.values())) for right in ("publish", "reply")}
    for profile in profiles.values():
        assert names(profile, "subscribe") <= said["publish"] and names(profile, "request") <= said["reply"]
    assert names(profiles["/grasp_synthesizer"], "call") == {"/execute_grasp"}
    assert {path for path, profile in profiles.items() if names(profile, "execute")} == {"/sim_cell", "/hand_bridge"}
    assert names(profiles["/sim_cell"], "execute") == names(profiles["/hand_bridge"], "execute") == {"/execute_grasp"}


def test_hand_bridge_and_its_mocks_speak_to_each_other_and_to_nobody_else(profiles):
    bridge = profiles["/hand_bridge"]
    for mock in ("/mock_drivers", "/mock_cell"):
        assert names(bridge, "subscribe") <= names(profiles[mock], "publish")
        assert names(profiles[mock], "subscribe") <= names(bridge, "publish")
    moving = names(profiles["/mock_drivers"], "subscribe")
    assert moving and [path for path, p in profiles.items() if names(p, "publish") & moving] == ["/hand_bridge"]


@pytest.mark.skipif(find_spec("sros2") is None, reason="sros2 is not installed")
def test_the_genuine_schema_takes_it():
    from sros2.policy import load_policy

    load_policy(POLICY)


@pytest.mark.ros
def test_the_policy_is_what_runs(live, weights, tmp_path):
    from rclpy.parameter import Parameter

    from gmi_ros.ros import security_policy
    from gmi_ros.ros.bag_replay import BagReplay
    from gmi_ros.ros.bridge.hand_bridge import HandBridge
    from gmi_ros.ros.bridge.mock_cell import MockCell
    from gmi_ros.ros.bridge.mock_drivers import MockDrivers
    from gmi_ros.ros.experience_recorder import ExperienceRecorder
    from gmi_ros.ros.grasp_synthesizer import GraspSynthesizer
    from gmi_ros.ros.sim_cell import SimCell

    def start(kind, **given):
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        return live.spin(kind(context=live.context, parameter_overrides=overrides))

    start(ExperienceRecorder, store=str(tmp_path / "store.db"))
    start(SimCell, objects="carton_0", rate=0.1)
    start(BagReplay, bag=str(ROOT / "test" / "data" / "sim_cell_bag"), start_paused=True)
    start(HandBridge)
    start(MockDrivers)
    start(MockCell, objects="carton_0", rate=0.1)
    start(GraspSynthesizer, model=weights, n_samples=8, inference_threads=1, allow_execution=True)
    caller, operator = live.node(security_policy.CALLER), live.node(security_policy.OPERATOR)
    running = security_policy.policy_xml(security_policy.policy(caller, caller, operator))
    assert running == POLICY.read_text(encoding="utf-8"), "policy.xml is not what these nodes do"


@pytest.mark.ros
def test_a_policy_without_a_synthesizer_is_refused_with_what_is_there(live, monkeypatch):
    from gmi_ros.core.errors import GmiError
    from gmi_ros.ros import security_policy

    monkeypatch.setattr(security_policy, "_PATIENCE_S", 1.0)
    lonely = live.node("lonely")
    with pytest.raises(GmiError, match="active grasp_synthesizer .* in this domain are /lonely"):
        security_policy.policy(lonely, lonely, lonely)


def test_no_request_holds_a_path():
    suspicious = ("path", "file", "dir", "folder", "uri", "url", "host", "address", "package", "command")
    for path in [*ROOT.glob("srv/*.srv"), *ROOT.glob("action/*.action"), *ROOT.glob("msg/*.msg")]:
        request = path.read_text(encoding="utf-8").split("---")[0]
        fields = [line.split("#")[0].split() for line in request.splitlines()]
        texts = {
            words[1] for words in fields if len(words) == 2 and words[0].startswith("string") and "=" not in words[1]
        }
        assert not [text for text in texts if any(word in text for word in suspicious)], path.name
        if path.suffix != ".msg":
            assert texts <= {"outcome_id", "note", "execution_id"}, path.name


def test_the_page_names_every_enclave():
    named = set(spans(read("security.md")))
    assert set(ENCLAVES) <= named
