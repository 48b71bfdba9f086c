"""NVIDIA's XID codes: what each means, and whose fault it is.

Used by the exporter (label `owner`, counters that begin at 0) and by whoever explains a code to people.

Source: NVIDIA, "Analyzing Xid Errors with the Xid Catalog" (docs.nvidia.com/deploy/xid-errors, read through the copy that
gpud generates from it, October 2025): codes, names and actions of every code in use on Ampere and later. Not in it, but in
NVIDIA's catalogue for older GPUs: 56 to 59, 61 and 65, which Turing parts still report. The meanings are in our words.

Whose fault it is:

- `application`: NVIDIA's device plugin calls it so (13, 31, 43, 45, 68, 109), or NVIDIA's immediate action is to restart
  the application, or NVIDIA's text says that it mostly is (137). Another process on the same GPU can have caused it.
- `hardware`: the meaning is about the board itself (memory, links, power, bus, microcontrollers), whatever the action.
- `driver`: everything else: driver, firmware, virtualisation, bookkeeping.

So `hardware` is no synonym of grave: 63 is memory that mended itself, and 119 and 120 (driver) stop the GPU until it is
reset. What to do is in `action`.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog import conventions

_H, _D, _A, UNKNOWN = conventions.XID_OWNERS


@dataclass(frozen=True, slots=True)
class Xid:
    """One code. `name` is NVIDIA's mnemonic, `action` NVIDIA's word for what to do at once, such as RESET_GPU, or empty."""

    code: int
    name: str
    owner: str
    """One of `conventions.XID_OWNERS`, never unknown."""
    meaning: str
    action: str


def _engines(*engines: tuple[int, str, str]) -> tuple[Xid, ...]:
    """Exceptions of copy and video engines: all have the same form and the same action."""
    return tuple(
        Xid(code, f"ROBUST_CHANNEL_{name}_ERROR", _A, f"Exception in {what} {name}", "RESTART_APP")
        for code, name, what in engines
    )


_COPY, _DECODER, _JPEG, _FLOW = "copy engine", "video decoder", "JPEG decoder", "optical flow engine"

XIDS: tuple[Xid, ...] = tuple(
    sorted(
        (
            Xid(8, "ROBUST_CHANNEL_FIFO_ERROR_IDLE_TIMEOUT", _A, "The GPU stopped processing", "RESTART_APP"),
            Xid(11, "ROBUST_CHANNEL_GR_ERROR_MISSING_HW", _A, "Invalid or corrupted command stream", "RESTART_APP"),
            Xid(13, "ROBUST_CHANNEL_GR_EXCEPTION", _A, "Exception in the graphics engine, such as an illegal address",
                "RESTART_APP"),
            Xid(25, "ROBUST_CHANNEL_GR_ILLEGAL_NOTIFY", _A, "Invalid or illegal command stream", "RESTART_APP"),
            Xid(31, "ROBUST_CHANNEL_FIFO_ERROR_MMU_ERR_FLT", _A, "Page fault: access to memory that is not mapped",
                "RESTART_APP"),
            Xid(32, "ROBUST_CHANNEL_PBDMA_ERROR", _A, "Invalid or corrupted command stream", "RESTART_APP"),
            Xid(37, "ROBUST_CHANNEL_FECS_ERR_UNIMP_FIRMWARE_METHOD", _D, "Firmware was asked for what it does not have",
                "IGNORE"),
            Xid(38, "ROBUST_CHANNEL_FECS_ERR_WATCHDOG_TIMEOUT", _D, "Firmware did not finish in time", "IGNORE"),
            Xid(43, "ROBUST_CHANNEL_RESETCHANNEL_VERIF_ERROR", _A, "A process hit an error of its own and was stopped",
                "IGNORE"),
            Xid(44, "ROBUST_CHANNEL_GR_FAULT_DURING_CTXSW", _D, "Fault while contexts were switched", "IGNORE"),
            Xid(45, "ROBUST_CHANNEL_PREEMPTIVE_REMOVAL", _A, "A process was removed after an error, or was killed",
                "WORKFLOW_XID_45"),
            Xid(46, "ROBUST_CHANNEL_GPU_TIMEOUT_ERROR", _H, "The GPU stopped processing and did not come back",
                "RESET_GPU"),
            Xid(48, "ROBUST_CHANNEL_GPU_ECC_DBE", _H, "Uncorrectable (double bit) memory error", "WORKFLOW_XID_48"),
            Xid(54, "SILENT_RUNNING_PWR_REDUCED_CLOCKING", _H, "Auxiliary power is not connected", "CHECK_MECHANICALS"),
            Xid(56, "DISPLAY_CHANNEL_EXCEPTION", _D, "Error in the display engine", ""),
            Xid(57, "FB_LINK_TRAINING_FAILURE_ERROR", _H, "The memory interface could not be set up", ""),
            Xid(58, "FB_MEMORY_ERROR", _H, "The memory interface is unstable", ""),
            Xid(59, "PMU_ERROR", _D, "Error in the power microcontroller's firmware", ""),
            Xid(61, "PMU_BREAKPOINT", _H, "The power microcontroller met a breakpoint", ""),
            Xid(60, "ROBUST_CHANNEL_SEC2_ERROR", _A, "Exception in the video processor", "RESTART_APP"),
            Xid(62, "PMU_HALT_ERROR", _H, "The power microcontroller halted", "RESET_GPU"),
            Xid(63, "INFOROM_DRAM_RETIREMENT_EVENT", _H, "A memory row was remapped or a page retired", "IGNORE"),
            Xid(64, "INFOROM_DRAM_RETIREMENT_FAILURE", _H, "A memory row or page could not be replaced", "RESET_GPU"),
            Xid(65, "ROBUST_CHANNEL_NVENC1_ERROR", _D, "Exception in the video encoder", ""),
            Xid(66, "ROBUST_CHANNEL_FECS_ERR_REG_ACCESS_VIOLATION", _D, "Illegal register access by the driver",
                "IGNORE"),
            Xid(67, "ROBUST_CHANNEL_FECS_ERR_VERIF_VIOLATION", _D, "Illegal access by the driver", "IGNORE"),
            Xid(69, "ROBUST_CHANNEL_GR_CLASS_ERROR", _A, "Illegal command to the graphics engine", "RESTART_APP"),
            Xid(74, "NVLINK_ERROR", _H, "NVLink error", "WORKFLOW_NVLINK_ERR"),
            Xid(78, "VGPU_START_ERROR", _D, "A virtual GPU did not start", "UPDATE_SWFW"),
            Xid(79, "ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS", _H, "The GPU has fallen off the bus", "RESTART_BM"),
            Xid(80, "PBDMA_PUSHBUFFER_CRC_MISMATCH", _A, "Corrupted data was sent to the GPU", "RESTART_APP"),
            Xid(92, "EXCESSIVE_SBE_INTERRUPTS", _H, "High rate of corrected memory errors", "IGNORE"),
            Xid(93, "INFOROM_ERASE_LIMIT_EXCEEDED", _H, "The board's own memory is written too often", "IGNORE"),
            Xid(94, "ROBUST_CHANNEL_CONTAINED_ERROR", _H, "Uncorrectable memory error, contained to one process",
                "RESTART_APP"),
            Xid(95, "ROBUST_CHANNEL_UNCONTAINED_ERROR", _H, "Uncorrectable memory error that may have spread",
                "RESET_GPU"),
            Xid(106, "SMBPBI_TEST_MESSAGE", _D, "Test message of the management controller", "IGNORE"),
            Xid(107, "SMBPBI_TEST_MESSAGE_SILENT", _D, "Silent test message of the management controller", "IGNORE"),
            Xid(109, "ROBUST_CHANNEL_CTXSW_TIMEOUT_ERROR", _A, "A context did not yield in time", "RESET_GPU"),
            Xid(110, "SEC_FAULT_ERROR", _H, "Security fault, rare unless hardware fails", "RESET_GPU"),
            Xid(119, "GSP_RPC_TIMEOUT", _D, "The GPU's system processor (GSP) did not answer", "RESET_GPU"),
            Xid(120, "GSP_ERROR", _D, "Error in the GPU's system processor (GSP)", "RESET_GPU"),
            Xid(121, "C2C_ERROR", _H, "Error on the link between chips (C2C)", "IGNORE"),
            Xid(136, "ALI_TRAINING_FAIL", _H, "An NVLink could not be brought up", "RESET_GPU"),
            Xid(137, "NVLINK_PRIV_ERR", _A, "Illegal access to a peer's memory over NVLink", "IGNORE"),
            Xid(140, "UNRECOVERABLE_ECC_ERROR_ESCAPE", _H, "Uncorrectable memory error in an unprotected place",
                "RESET_GPU"),
            Xid(141, "ROBUST_CHANNEL_FAST_PATH_ERROR", _D, "Error in CUDA's fast path", "IGNORE"),
            Xid(142, "ROBUST_CHANNEL_NVENC3_ERROR", _D, "Exception in the video encoder NVENC3", "CONTACT_SUPPORT"),
            Xid(143, "GPU_INIT_ERROR", _H, "The GPU could not be initialised", "RESET_GPU"),
            *(
                Xid(code, f"NVLINK_{unit}_ERROR", _H, f"NVLink error in the unit {unit}", "WORKFLOW_NVLINK5_ERR")
                for code, unit in enumerate(("SAW", "RLW", "TLW", "TREX", "NVLPW_CTRL", "NETIR", "MSE"), start=144)
            ),
            Xid(151, "ROBUST_CHANNEL_KEY_ROTATION_ERROR", _D, "Encryption keys could not be rotated", "RESTART_VM"),
            Xid(152, "ROBUST_CHANNEL_DLA_SMMU_ERROR", _D, "Memory fault of the deep-learning accelerator", "IGNORE"),
            Xid(153, "ROBUST_CHANNEL_DLA_TIMEOUT", _D, "The deep-learning accelerator did not finish in time", "IGNORE"),
            Xid(154, "GPU_RECOVERY_ACTION_CHANGED", _D, "What the GPU needs to recover has changed; see the other codes",
                "XID_154"),
            Xid(155, "NVLINK_SW_DEFINED_ERROR", _D, "NVLink was shut down by software", "RESET_GPU"),
            Xid(156, "RESOURCE_RETIREMENT_EVENT", _H, "A broken part of the GPU was taken out of use", "RESET_GPU"),
            Xid(157, "RESOURCE_RETIREMENT_FAILURE", _H, "A broken part of the GPU could not be taken out of use",
                "IGNORE"),
            Xid(158, "GPU_FATAL_TIMEOUT", _H, "A part of the GPU does not answer any more", "RESET_GPU"),
            Xid(159, "ROBUST_CHANNEL_CHI_NON_DATA_ERROR", _D, "Error on the coherent interface to the processor",
                "CHECK_UVM"),
            Xid(160, "CHANNEL_RETIREMENT_EVENT", _D, "A channel was taken out of use", "IGNORE"),
            Xid(161, "CHANNEL_RETIREMENT_FAILURE", _D, "A channel could not be taken out of use", "IGNORE"),
            Xid(162, "PSHC_REENGAGED", _H, "Power smoothing works again", ""),
            Xid(163, "PSHC_DISENGAGED", _H, "Power smoothing has stopped", ""),
            Xid(164, "PSHC_LOW_LIFETIME", _H, "The circuit for power smoothing is nearly worn out", ""),
            Xid(165, "PSHC_ZERO_LIFETIME", _H, "The circuit for power smoothing is worn out", ""),
            Xid(166, "NVLINK_SECURE_CRYPTO_ERR", _D, "Traffic on an NVLink before its encryption was set up", ""),
            Xid(167, "PCIE_FATAL_TIMEOUT", _H, "PCIe does not answer any more", ""),
            Xid(168, "REDUCED_GPU_MEMORY_CAPACITY", _H, "Errors in protected memory; the GPU has less memory", ""),
            Xid(169, "SEC2_HALT_ERROR", _H, "The security microcontroller halted", ""),
            Xid(170, "NVLINK_SECURE_OTHER", _D, "Unexpected event on an encrypted NVLink", ""),
            Xid(171, "UNCORRECTABLE_DRAM_ERROR", _H, "The uncorrectable error (48) was in DRAM", ""),
            Xid(172, "UNCORRECTABLE_SRAM_ERROR", _H, "The uncorrectable error (48) was in SRAM", ""),
            *_engines(
                (39, "CE0", _COPY), (40, "CE1", _COPY), (41, "CE2", _COPY), (70, "CE3", _COPY), (71, "CE4", _COPY),
                (72, "CE5", _COPY), (75, "CE6", _COPY), (76, "CE7", _COPY), (77, "CE8", _COPY), (85, "CE9", _COPY),
                *((code, f"CE{number}", _COPY) for number, code in enumerate(range(126, 136), start=10)),
                (68, "NVDEC0", _DECODER), (83, "NVDEC1", _DECODER), (84, "NVDEC2", _DECODER), (88, "NVDEC3", _DECODER),
                (89, "NVDEC4", _DECODER), (96, "NVDEC5", _DECODER), (97, "NVDEC6", _DECODER), (98, "NVDEC7", _DECODER),
                (82, "NVJPG0", _JPEG),
                *((code, f"NVJPG{number}", _JPEG) for number, code in enumerate(range(99, 106), start=1)),
                (86, "OFA0", _FLOW), (139, "OFA1", _FLOW),
            ),
        ),
        key=lambda xid: xid.code,
    )
)  # fmt: skip
"""Every code that a driver in use reports, in order."""
_OWNERS = {xid.code: xid.owner for xid in XIDS}


def owner_of(code: int) -> str:
    """Return whose fault an XID is; `unknown` for a code that is not in the catalogue."""
    return _OWNERS.get(code, UNKNOWN)
