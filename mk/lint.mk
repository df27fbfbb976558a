# SPDX-License-Identifier: BSD-2-Clause
# Style and static checks.
