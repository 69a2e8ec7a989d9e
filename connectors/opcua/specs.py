"""Companion specifications by namespace, as data: what a server says it speaks."""

from typing import Final

from connectors.opcua.catalogue import (
    ISA95_JOBS,
    MACHINE_TOOL,
    MACHINERY,
    OPCUA,
    PACKML,
    PROCESS_VALUES,
    UNIFIED,
)

SPECS: Final = {
    OPCUA: "OPC UA",
    "http://opcfoundation.org/UA/DI/": "Devices (OPC 10000-100)",
    "http://opcfoundation.org/UA/IA/": "Industrial Automation (OPC 10000-200)",
    MACHINERY: "Machinery (OPC 40001-1)",
    PROCESS_VALUES: "Process values (OPC 40001-2)",
    "http://opcfoundation.org/UA/Machinery/Jobs/": "Machinery jobs (OPC 40001-3)",
    "http://opcfoundation.org/UA/Machinery/Result/": "Machinery results (OPC 40001-101)",
    MACHINE_TOOL: "Machine tools (OPC 40501-1)",
    PACKML: "PackML (OPC 30050)",
    "http://opcfoundation.org/UA/ISA95-JOBCONTROL": "ISA-95 job control (OPC 10031-4)",
    ISA95_JOBS: "ISA-95 job control (OPC 10031-4)",
    "http://opcfoundation.org/UA/PLCopen/": "PLCopen (OPC 30000)",
    "http://opcfoundation.org/UA/Weihenstephan/": "Weihenstephan",
    "http://opcfoundation.org/UA/PlasticsRubber/GeneralTypes/": "Plastics and rubber (OPC 40083)",
    "http://opcfoundation.org/UA/PlasticsRubber/IMM2MES/": "Injection moulding (OPC 40077)",
    "http://opcfoundation.org/UA/LADS/": "Laboratory devices (OPC 30500-1)",
    "http://opcfoundation.org/UA/MachineVision": "Machine vision (OPC 40100-1)",
    "http://opcfoundation.org/UA/ECM/": "Energy consumption (OPC 34100)",
    "http://opcfoundation.org/UA/Robotics/": "Robotics (OPC 40010-1)",
    UNIFIED: "unified interface 统一数据接口",
}

UNDERSTOOD: Final = frozenset(
    {MACHINERY, PROCESS_VALUES, MACHINE_TOOL, PACKML, ISA95_JOBS, UNIFIED}
)
"""Those whose nodes the catalogue gives a meaning; others are named only."""
