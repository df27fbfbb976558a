/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's interrupt vectors from 32 up; exceptions are in vmm/x86_defs.h. The local APIC serves
 * the higher class of 16 first (SDM 3A, 11.8.3.1).
 */
#pragma once

/* Where the 8259 pair is moved out of the exceptions' way. All masked, but they may send a spurious
 * one. */
#define VECTOR_PIC_FIRST    0x20
#define VECTOR_PIC_SPURIOUS 0x27
#define VECTOR_PIC_LAST	    0x2f

/* Devices, by I/O APIC or MSI. */
#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_UART	    0x30
#define VECTOR_DEVICE_LAST  0xdf

#define VECTOR_TIMER	  0xf0
#define VECTOR_KICK	  0xf1
#define VECTOR_APIC_ERROR 0xfe
/* Its low 4 bits are ones, as old local APICs want it. */
#define VECTOR_SPURIOUS	  0xff
