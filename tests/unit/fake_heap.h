/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/heap.h on top of malloc, so that the address sanitizer sees every overrun, use after free
 * and leak. All tests and fuzz targets have it but test_heap, which tests the real one.
 */
#pragma once

/*
 * Makes the allocation after `successes` more fail, once; a negative number: none. A test of a
 * function's -ENOMEM paths counts up from 0 until the function succeeds.
 */
void fake_heap_fail_after(int successes);
