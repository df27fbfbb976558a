/* SPDX-License-Identifier: BSD-2-Clause */
/* The AMD-V backend, for boot/ to choose. */
#pragma once

#include "vmm/backend.h"

extern const struct vcpu_backend svm_backend;
