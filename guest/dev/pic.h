/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pair of 8259A interrupt controllers of a PC, cascaded through input 2 of the first, with the
 * edge/level registers of a PIIX or ICH. Intel 8259A data sheet; Intel 82371AB data sheet, 4.2.
 */
#pragma once

#include "vmm/vdev.h"

struct pic;

/* Created after the local APICs; sets vm->irqs.pic. */
extern const struct vdev_type pic_vdev;

/* The vector that an acknowledge would return now, or -1 where nothing is requested. Any CPU. */
int pic_peek(struct pic *pic);

/*
 * The processor's interrupt acknowledge: the request goes into service. Returns its vector, the
 * spurious one (input 7) where the request is gone. Any CPU.
 */
uint8_t pic_acknowledge(struct pic *pic);
