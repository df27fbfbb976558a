/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port for tests and payloads, where the config asks for it (debug-exit): a byte written to it
 * stops the VM with that number as its reason.
 */
#pragma once

#include "vmm/vdev.h"

extern const struct vdev_type debug_exit_vdev;
