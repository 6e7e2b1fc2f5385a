"""How a stage reaches the world: the services of `stageflow.stages.services`, and functions that make them."""

from stageflow.stages.inputs import create_stage_inputs as create_stage_inputs
from stageflow.stages.services import AudioPorts as AudioPorts
from stageflow.stages.services import CorePorts as CorePorts
from stageflow.stages.services import LLMPorts as LLMPorts
from stageflow.stages.services import Ports as Ports
from stageflow.stages.services import StagePorts as StagePorts

create_core_ports, create_llm_ports, create_audio_ports = CorePorts, LLMPorts, AudioPorts
