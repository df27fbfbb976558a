/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550A serial port: COM1, whose other end is the VM's console. Its line is infinitely fast: a
 * byte that is written has been sent when the write returns, and received bytes wait in the console
 * until the receive FIFO has room, so none is ever lost. National Semiconductor PC16550D.
 */
#pragma once

#include "vmm/vdev.h"

extern const struct vdev_type uart16550_vdev;
