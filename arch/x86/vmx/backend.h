/* SPDX-License-Identifier: BSD-2-Clause */
/* The VT-x backend, for boot/ to choose. */
#pragma once

#include "vmm/backend.h"

extern const struct vcpu_backend vmx_backend;
