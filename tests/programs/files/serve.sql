-- Copyright (c) 2026, abcdesktop.io contributors
-- SPDX-License-Identifier: GPL-3.0-or-later
select 'it is done';
