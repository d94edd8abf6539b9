-- Copyright (c) 2026, abcdesktop.io contributors
-- SPDX-License-Identifier: GPL-3.0-or-later
create table t as select i, i j, repeat('x', 60) p from generate_series(1, 4200000) i;
create index on t (i);
create index on t (j);
delete from t where i % 2 = 0;
vacuum t;
select 'it is done';
