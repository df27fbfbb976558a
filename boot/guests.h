/* SPDX-License-Identifier: BSD-2-Clause */
/* Ties the VMM to guest/ and to the images that the loader brought. */
#pragma once

#include "boot/boot_info.h"

/* Sets guest_ops. `info` and the images that it names must stay where they are. Once, at boot. */
void guests_init(const struct boot_info *info);
