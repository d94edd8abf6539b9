-- Copyright (c) 2026, abcdesktop.io contributors
-- SPDX-License-Identifier: GPL-3.0-or-later
create table t as select i, repeat('x', 20) p from generate_series(1, 3000000) i;
analyze t;
set enable_mergejoin = off;
set enable_nestloop = off;
set min_parallel_table_scan_size = 0;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
select count(*), 'it is done' from t a join t b using (i);
