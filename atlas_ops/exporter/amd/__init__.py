"""AMD GPUs behind the boundary of `exporter.gpu.backend`; `backend.Amd` is what `atlas_ops.cli.exporter` makes.

`questions` says what is asked, `card` (the kernel's files) or `smi` (AMD's library) answers, `device` puts both together.

No AMD hardware was at hand: layouts, units and error codes are those of public sources (the kernel's amdgpu driver and its
`kgd_pp_interface.h`, AMD's `amdsmi.h` and Python package 7.0.2), and are tested on file trees built after them.
"""
