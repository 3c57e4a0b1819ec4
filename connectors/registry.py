"""Every connector there is: how it is called, what switches it on, where its guide is, which faults it counts.

A new one is added here by hand; nothing is looked for.
"""

from __future__ import annotations

from connectors.camera.spec import CAMERA
from connectors.isapi.spec import ISAPI
from connectors.jt808.spec import JT808
from connectors.mqtt.spec import MQTT
from connectors.spec import Connector
from connectors.traccar.spec import TRACCAR
from connectors.weighbridge.spec import WEIGHBRIDGE

CONNECTORS: dict[str, Connector] = {
    connector.name: connector for connector in (JT808, ISAPI, CAMERA, TRACCAR, MQTT, WEIGHBRIDGE)
}
