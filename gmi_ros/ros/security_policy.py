"""An SROS2 policy of what runs now: `python -m gmi_ros.ros.security_policy config/sros2/policy.xml` beside `gmi up`.

Every node may do what it does, and nothing else. Two more profiles are for who is no node of ours: `caller` asks for
grasps and listens, `operator` may also set parameters and change states. Each profile has an enclave of its own.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import rclpy
from rclpy.node import Node, NodeNameNonExistentError

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros.processes import RECORDER, SYNTHESIZER
from gmi_ros.ros.session import Session

POLICY_VERSION = "0.2.0"  # of the schema, sros2/policy/schemas/policy.xsd
CALLER, OPERATOR = "caller", "operator"
EVERYBODYS = ("/parameter_events", "/rosout")  # every node publishes these
_ACTION = "/_action/"
_HEARD = (f"/{SYNTHESIZER}", f"/{RECORDER}")  # the nodes that a caller listens to
_CALLED = ("gmi_ros/srv/", "std_srvs/srv/Trigger")  # types of what a caller calls at the synthesizer
_OPERATORS = "/load_model"  # not for callers, whatever its type
_ALIKE = 3  # looks at the graph, one after the other, that must be equal
_LOOK_S, _PATIENCE_S = 0.5, 60.0  # between two looks; for all nodes to be there and the graph to settle

Names = frozenset[str]


@dataclass(frozen=True)
class Uses:
    """What one node does, all names in full."""

    publishes: Names = frozenset()
    subscribes: Names = frozenset()
    serves: Names = frozenset()
    requests: Names = frozenset()
    executes: Names = frozenset()
    calls: Names = frozenset()

    def more(self, subscribes: Names, requests: Names) -> "Uses":
        """The same and these."""
        return Uses(
            self.publishes,
            self.subscribes | subscribes,
            self.serves,
            self.requests | requests,
            self.executes,
            self.calls,
        )


def policy(graph: Node, caller: Node, operator: Node) -> dict[str, Uses]:
    """Profiles by full node name: of every node in the graph, and of these two, who may use what the others offer.

    graph: the node through which the graph is read; it has no profile unless it is one of the two.

    Raises:
        GmiError: TIMEOUT where nodes still come and go, or there is no active grasp_synthesizer.
    """
    ours = {node.get_fully_qualified_name() for node in (graph, caller, operator)}
    nodes, types = _settled(graph)
    found = {name: uses for name, uses in nodes.items() if name not in ours}
    synthesizers = [uses for name, uses in found.items() if name.endswith(f"/{SYNTHESIZER}")]
    told = _union(uses.publishes for uses in found.values()) - set(EVERYBODYS)
    served = _union(uses.serves for uses in found.values())
    offered = (name for uses in synthesizers for name in uses.serves if types[name].startswith(_CALLED))
    asked = frozenset(name for name in offered if not name.endswith(_OPERATORS))
    # What becomes of a grasp: neither images nor what the drivers of a hand tell and are told.
    heard = told & _union(uses.publishes for name, uses in found.items() if name.endswith(_HEARD))
    named = {node: node.get_fully_qualified_name() for node in (caller, operator)}
    return {
        **found,
        named[caller]: nodes[named[caller]].more(heard, asked),
        named[operator]: nodes[named[operator]].more(told | set(EVERYBODYS), served),
    }


def policy_xml(profiles: Mapping[str, Uses]) -> str:
    """The file's text; node, namespace and enclave follow from the full names."""
    root = ElementTree.Element("policy", version=POLICY_VERSION)
    enclaves = ElementTree.SubElement(root, "enclaves")
    for name, uses in sorted(profiles.items()):
        enclave = ElementTree.SubElement(enclaves, "enclave", path=name)
        namespace, _, node = name.rpartition("/")
        holder = ElementTree.SubElement(enclave, "profiles")
        profile = ElementTree.SubElement(holder, "profile", ns=namespace or "/", node=node)
        for kind, right, names in (
            ("topic", "publish", uses.publishes),
            ("topic", "subscribe", uses.subscribes),
            ("service", "reply", uses.serves),
            ("service", "request", uses.requests),
            ("action", "execute", uses.executes),
            ("action", "call", uses.calls),
        ):
            if names:
                rule = ElementTree.SubElement(profile, f"{kind}s", {right: "ALLOW"})
                for text in sorted(names):
                    ElementTree.SubElement(rule, kind).text = text
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _look(graph: Node) -> tuple[dict[str, Uses], dict[str, str]]:
    """What every node does at this moment, and the type of every topic and service."""
    nodes, types = {}, {}
    for name, namespace in graph.get_node_names_and_namespaces():
        if name.startswith("_"):
            continue  # hidden: a tool that comes and goes
        lists = [
            dict(ask(name, namespace))
            for ask in (
                graph.get_publisher_names_and_types_by_node,
                graph.get_subscriber_names_and_types_by_node,
                graph.get_service_names_and_types_by_node,
                graph.get_client_names_and_types_by_node,
            )
        ]
        for known in lists:
            types |= {topic: kinds[0] for topic, kinds in known.items()}
        nodes[f"{namespace.rstrip('/')}/{name}"] = _uses(*lists)
    return nodes, types


def _uses(publishes: Mapping, subscribes: Mapping, serves: Mapping, requests: Mapping) -> Uses:
    """An action is five topics and services with one name; SROS2 knows it by that."""
    plain = [frozenset(name for name in names if _ACTION not in name) for names in (publishes, subscribes)]
    plain += [frozenset(name for name in names if _ACTION not in name) for names in (serves, requests)]
    executes, calls = (frozenset(n.split(_ACTION)[0] for n in names if _ACTION in n) for names in (serves, requests))
    return Uses(*plain, executes, calls)


def _settled(graph: Node) -> tuple[dict[str, Uses], dict[str, str]]:
    """What `_look` gives once it gives the same several times, an active synthesizer among it."""
    end, last, alike = time.monotonic() + _PATIENCE_S, ({}, {}), 0
    while alike < _ALIKE or not _has_active_synthesizer(last[0]):
        if time.monotonic() > end:
            raise GmiError(
                ErrorCode.TIMEOUT,
                f"waited {_PATIENCE_S:g} s for an active {SYNTHESIZER} among nodes that do not change; "
                f"in this domain are {', '.join(sorted(last[0]))}",
            )
        try:
            seen = _look(graph)
        except NodeNameNonExistentError:  # it went between two questions
            seen = ({}, {})
        alike = alike + 1 if seen == last else 0
        last = seen
        time.sleep(_LOOK_S)
    return last


def _has_active_synthesizer(nodes: Mapping[str, Uses]) -> bool:
    """It subscribes to images only while it is active."""
    return any(name.endswith(f"/{SYNTHESIZER}") and len(uses.subscribes) > 2 for name, uses in nodes.items())


def _union(parts) -> Names:
    return frozenset().union(*parts)


def main() -> None:
    """Read the graph of this ROS_DOMAIN_ID and write its policy."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path, help="where to write it, e.g. config/sros2/policy.xml")
    file = parser.parse_args().file
    with Session(CALLER) as session:
        operator = rclpy.create_node(OPERATOR, context=session.node.context)
        try:
            file.write_text(policy_xml(policy(session.node, session.node, operator)), encoding="utf-8")
        except GmiError as error:
            parser.exit(1, f"{error.message}\n")
        finally:
            operator.destroy_node()


if __name__ == "__main__":
    main()
