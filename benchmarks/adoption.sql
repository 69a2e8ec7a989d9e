-- The whole year of cloud adoption in SQL: the same rules (docs/decisions/0035), the same files, all days at once.
-- The peer of pipelines/cloud: written as somebody would who has only DuckDB. Tables of the register are views over
-- the Parquet files; `days` holds the reference dates. Not in it, as the bench's files have neither: chains of listings
-- that join two devices, and devices of two parks or owners, at once or one after the other.

-- Identity: listings that share the strongest key that both have.
create temp table keyed as
select platform, terminal_id, row_number() over (order by platform, terminal_id) as node,
       any_value(product_instance_uri) as k1, any_value(manufacturer || chr(31) || serial_number) as k2,
       any_value(lower(regexp_replace(mac, '[:\-. ]', '', 'g'))) as k3,
       any_value(uscc || chr(31) || asset_id) as k4
from terminals group by platform, terminal_id;

create temp table links as
select a.node as a, b.node as b from keyed a join keyed b on a.k1 = b.k1 and a.node <> b.node
union
select a.node, b.node from keyed a join keyed b on a.k2 = b.k2 and a.node <> b.node
where a.k1 is null or b.k1 is null
union
select a.node, b.node from keyed a join keyed b on a.k3 = b.k3 and a.node <> b.node
where (a.k1 is null or b.k1 is null) and (a.k2 is null or b.k2 is null)
union
select a.node, b.node from keyed a join keyed b on a.k4 = b.k4 and a.node <> b.node
where (a.k1 is null or b.k1 is null) and (a.k2 is null or b.k2 is null) and (a.k3 is null or b.k3 is null);

create temp table listing_unit as
with recursive reach(node, other) as (
    select a, b from links
    union
    select reach.node, links.b from reach join links on reach.other = links.a
)
select k.platform, k.terminal_id, least(k.node, coalesce(min(r.other), k.node)) as unit
from keyed k left join reach r on r.node = k.node
group by k.platform, k.terminal_id, k.node;

-- A unit as a day's listings tell of it. Attributes change only with versions, so units are cut into spells.
create temp table spells as
with edges as (
    select unit, valid_from as edge from terminals join listing_unit using (platform, terminal_id)
    union select unit, valid_to from terminals join listing_unit using (platform, terminal_id) where valid_to is not null
    union select unit, activated_on from terminals join listing_unit using (platform, terminal_id) where activated_on is not null
    union select unit, retired_on from terminals join listing_unit using (platform, terminal_id) where retired_on is not null
), cut as (
    select unit, edge as from_day, lead(edge) over (partition by unit order by edge) as to_day from edges
), first_day as (select min(day) as lo, max(day) as hi from days)
select (row_number() over ())::int as spell, c.unit::int as unit, greatest(c.from_day, lo) as from_day, least(coalesce(c.to_day, hi + 1), hi + 1) as to_day,
       first(t.uscc order by t.platform, t.terminal_id) filter (t.uscc is not null) as uscc,
       first(t.kind order by t.platform, t.terminal_id) filter (t.kind is not null) as kind,
       first(t.network order by t.platform, t.terminal_id) filter (t.network is not null) as network,
       first(t.machine_id order by t.platform, t.terminal_id) filter (t.machine_id is not null) as machine_id,
       first(t.points order by t.platform, t.terminal_id) filter (t.points is not null) as points,
       max(t.park_id) as park_id,
       bool_or(t.retired_on is null or t.retired_on > c.from_day) as is_registered,
       bool_or(coalesce(t.activated_on <= c.from_day, false) and (t.retired_on is null or t.retired_on > c.from_day)) as is_deployed
from cut c cross join first_day
join listing_unit u on u.unit = c.unit
join terminals t on t.platform = u.platform and t.terminal_id = u.terminal_id
     and t.valid_from <= c.from_day and (t.valid_to is null or t.valid_to > c.from_day)
where c.from_day <= hi and (c.to_day is null or c.to_day > lo)
group by c.unit, c.from_day, c.to_day, lo, hi;

-- Owed days of each owner and park.
create temp table calendars as
select (row_number() over ())::int as calendar, uscc, park_id from (select distinct uscc, park_id from spells);

create temp table owed as
with down as (
    select c.calendar, d.day from calendars c join collector_down d on d.park_id = c.park_id or d.park_id is null
), grid as (
    select c.calendar, d.day,
           ((c.uscc is null or o.uscc is not null) and x.day is null)::tinyint as owed
    from calendars c cross join (select unnest(generate_series(least((select min(day) from operating_days), (select min(day) - 63 from days)),
                                                             (select max(day) from days), interval 1 day))::date as day) d
    left join (select distinct uscc, day from operating_days where is_operating) o on o.uscc = c.uscc and o.day = d.day
    left join (select distinct calendar, day from down) x on x.calendar = c.calendar and x.day = d.day
)
select calendar, day, owed,
       (sum(owed) over (partition by calendar order by day rows 29 preceding))::tinyint as owed_30,
       (sum(owed) over (partition by calendar order by day rows unbounded preceding))::int as owed_sum
from grid;

-- Every unit on every day.
create temp table heard as
select distinct u.unit, d.day
from terminal_days d join (select distinct terminal_id, unit::int as unit from listing_unit) u using (terminal_id)
where d.good_values >= 1;

create temp table seen as
select g.unit, g.spell, g.calendar, d.day, h.day is not null as seen, o.owed_30, o.owed_sum,
       (h.day is not null and o.owed = 1)::tinyint as met
from (select s.*, c.calendar from spells s
      join calendars c on c.uscc is not distinct from s.uscc and c.park_id is not distinct from s.park_id) g
join days d on d.day >= g.from_day and d.day < g.to_day
left join heard h on h.unit = g.unit and h.day = d.day
join owed o on o.calendar = g.calendar and o.day = d.day;

create temp table summed as
select spell, calendar, day, owed_30, owed_sum, (sum(met) over w30)::tinyint as met_30, max(seen) over w30 as online,
       max(case when seen then day end) over (partition by unit order by day rows unbounded preceding) as last_seen
from seen window w30 as (partition by unit order by day rows 29 preceding);
drop table seen;
drop table heard;

create temp table judged as
select s.spell, s.day, s.online as is_online, s.owed_30 >= 5 as is_judged,
       s.owed_30 >= 5 and s.met_30::int * 10 >= s.owed_30::int * 8 and s.met_30 >= 5 as is_connected,
       s.last_seen is null as is_never, s.owed_sum - l.owed_sum as silent
from summed s left join owed l on l.calendar = s.calendar and l.day = s.last_seen;
drop table summed;

create temp view unit_days as
select j.day, s.* exclude (from_day, to_day), j.is_online, j.is_judged, j.is_connected,
       case when not s.is_deployed then 'inactive' when not j.is_judged then 'unscheduled'
            when j.is_connected then 'connected' when j.is_never then 'never'
            when j.silent > 30 then 'dark' when j.silent > 7 then 'stale' else 'intermittent' end as status
from judged j join spells s using (spell);

-- Enterprises on every day.
create temp table enterprise_days as
with frozen as (
    select y.year, e.uscc, e.staff, e.revenue_wan
    from (select distinct year(day) as year from days) y
    join enterprises e on e.valid_from <= make_date(y.year - 1, 12, 31)
         and (e.valid_to is null or e.valid_to > make_date(y.year - 1, 12, 31))
), began as (select distinct on (uscc) uscc, staff, revenue_wan from enterprises order by uscc, valid_from),
classed as (
    select d.day, e.*, coalesce(f.staff, case when f.uscc is null then b.staff end) as s,
           coalesce(f.revenue_wan, case when f.uscc is null then b.revenue_wan end) as r
    from days d join enterprises e on e.valid_from <= d.day and (e.valid_to is null or e.valid_to > d.day)
    left join frozen f on f.uscc = e.uscc and f.year = year(d.day)
    join began b on b.uscc = e.uscc
), parks as (
    select d.day, s.uscc, list(distinct s.park_id) as park_ids
    from days d join sites s on s.valid_from <= d.day and (s.valid_to is null or s.valid_to > d.day)
    where s.park_id is not null group by all
)
select c.day, c.uscc, coalesce(c.legal_group, c.uscc) as legal_group, coalesce(p.park_ids, []) as park_ids,
       coalesce(case when s < 20 or r < 300 then 'micro' when s is null or r is null then null
            when s >= 1000 and r >= 40000 then 'large' when s >= 300 and r >= 2000 then 'medium' else 'small' end, 'unknown') as size_class,
       coalesce(c.industry_code[1:3], 'unknown') as sector,
       coalesce(r >= 2000, false) as is_above_scale,
       c.register_status = '在营' and coalesce(c.in_new_city, false) and coalesce(c.industry_code[1] in ('B', 'C', 'D'), false) as is_industry
from classed c left join parks p on p.day = c.day and p.uscc = c.uscc;

create temp table declared as
select d.day, x.uscc,
       bool_or(x.declared_cloud = 'yes' and coalesce(x.declared_from <= d.day, false)
               and (x.declared_to is null or x.declared_to >= d.day - 90)) as claims,
       bool_or(coalesce(x.declared_cloud, 'unknown') = 'unknown' or (x.declared_cloud = 'yes' and x.declared_from is null
               and (x.declared_to is null or x.declared_to >= d.day - 90))) as open,
       coalesce(list(distinct x.level) filter (x.level is not null and x.declared_cloud = 'yes' and x.declared_from <= d.day
               and (x.declared_to is null or x.declared_to >= d.day - 90)), []) as levels,
       bool_or(x.level is null and x.declared_cloud = 'yes' and coalesce(x.declared_from <= d.day, false)
               and (x.declared_to is null or x.declared_to >= d.day - 90)) as vague
from days d join declarations x on x.valid_from <= d.day and (x.valid_to is null or x.valid_to > d.day)
group by all;

create temp table uses as
select coalesce(p.uscc, t.uscc) as uscc, case when coalesce(p.uscc, t.uscc) is null then t.legal_group end as legal_group,
       case when p.service = 'machine_hours' and p.level in ('C3', 'C4') then 'C2' else p.level end as level, p.day
from provider_use p left join tenants t on p.uscc is null and t.platform = p.platform and t.tenant_id = p.tenant_id
     and t.valid_from <= p.day and (t.valid_to is null or t.valid_to > p.day);

create temp table used as
select d.day, u.uscc, coalesce(list(distinct u.level) filter (u.level is not null), []) as levels, bool_or(u.level is null) as vague
from days d join (select distinct uscc, level, day from uses where uscc is not null) u on u.day between d.day - 90 and d.day
group by all;

create temp table groups_in_use as
select distinct d.day, u.legal_group from days d join uses u on u.day between d.day - 90 and d.day
where u.legal_group is not null;

create temp table owner_days as
select day, uscc, bool_or(is_connected and kind = 'device') as is_connected, bool_or(is_online) as is_online
from unit_days where is_deployed and uscc is not null group by all;

create temp table firms as
select e.*, coalesce(e.is_industry and e.size_class in ('micro', 'small', 'medium'), false) as in_scope,
       coalesce(x.claims, false) as says_yes, coalesce(not x.claims and x.open, true) as says_nothing,
       coalesce(x.levels, []) as claimed, coalesce(x.vague, false) as vague_claim,
       u.uscc is not null as is_used, coalesce(u.levels, []) as used_levels, coalesce(u.vague, false) as vague_use,
       coalesce(o.is_connected, false) as is_connected, g.legal_group is not null as group_in_use,
       u.uscc is not null or coalesce(o.is_connected, false) as is_verified,
       o.uscc is not null as has_unit, coalesce(o.is_online, false) as is_online
from enterprise_days e
left join declared x on x.day = e.day and x.uscc = e.uscc
left join used u on u.day = e.day and u.uscc = e.uscc
left join owner_days o on o.day = e.day and o.uscc = e.uscc
left join groups_in_use g on g.day = e.day and g.legal_group = e.legal_group;

-- What each adds: one row per metric, basis, day, enterprise and set of parks.
create temp table added as
with scope as (select *, not is_verified and (says_nothing or group_in_use) as open from firms where in_scope),
levels as (select unnest(['C1', 'C2', 'C3', 'C4']) as level),
levelled as (
    select s.*, l.level, list_contains(used_levels, l.level) or (l.level = 'C3' and is_connected) as has,
           list_contains(claimed, l.level) as says
    from scope s cross join levels l
), of_machines as (
    select d.day, m.*, s.park_id from days d
    join machines m on m.valid_from <= d.day and (m.valid_to is null or m.valid_to > d.day)
    left join sites s on s.site_id = m.site_id and s.valid_from <= d.day and (s.valid_to is null or s.valid_to > d.day)
), online as (
    select distinct day, machine_id from unit_days where is_deployed and is_online and machine_id is not null
), networked as (
    select m.day, m.uscc, m.park_id, m.is_digital, m.interface_level, m.is_networked, o.machine_id is not null as seen
    from of_machines m left join online o on o.day = m.day and o.machine_id = m.machine_id where m.kind = 'machine'
), key_units as (
    select m.day, m.uscc, m.park_id, f.park_ids, coalesce(m.is_controlled, false) as has, m.is_controlled is null as open
    from of_machines m join firms f on f.day = m.day and f.uscc = m.uscc and f.is_industry where m.is_key_operation
)
select 'CA-1' as metric_id, 'verified' as basis, null as level, day, uscc, park_ids, is_verified::bigint as numerator, 1::bigint as denominator, open::bigint as unknown from scope
union all select 'CA-1', 'declared_or_verified', null, day, uscc, park_ids, (is_verified or says_yes)::bigint, 1, (open and not says_yes)::bigint from scope
union all select 'CA-1', 'declared', null, day, uscc, park_ids, says_yes::bigint, 1, says_nothing::bigint from scope
union all select 'CA-1', 'verified', level, day, uscc, park_ids, has::bigint, 1, (not has and (open or vague_use))::bigint from levelled
union all select 'CA-1', 'declared_or_verified', level, day, uscc, park_ids, (has or says)::bigint, 1,
       (not (has or says) and ((open and not says_yes) or vague_use or vague_claim))::bigint from levelled
union all select 'CA-1', 'declared', level, day, uscc, park_ids, says::bigint, 1, (not says and (says_nothing or vague_claim))::bigint from levelled
union all select 'CA-2', 'measured', null, day, uscc, case when park_id is null then [] else [park_id] end, sum(is_connected::bigint), count(*), sum((not is_judged)::bigint)
       from unit_days where is_deployed and kind = 'device' group by all
union all select 'CA-3', 'verified', null, day, uscc, case when park_id is null then [] else [park_id] end, sum(seen::bigint), count(*), sum((not seen and is_networked is null)::bigint) from networked where is_digital group by all
union all select 'CA-3', 'declared_or_verified', null, day, uscc, case when park_id is null then [] else [park_id] end, sum((seen or coalesce(is_networked, false))::bigint), count(*), sum((not seen and is_networked is null)::bigint) from networked where is_digital group by all
union all select 'CA-3b', 'verified', null, day, uscc, case when park_id is null then [] else [park_id] end, sum(seen::bigint), count(*), sum((not seen and is_networked is null)::bigint) from networked group by all
union all select 'CA-3b', 'declared_or_verified', null, day, uscc, case when park_id is null then [] else [park_id] end, sum((seen or coalesce(is_networked, false))::bigint), count(*), sum((not seen and is_networked is null)::bigint) from networked group by all
union all select 'CA-4', 'pooled', null, day, uscc, case when park_id is null then [] else [park_id] end, sum(has::bigint), count(*), sum(open::bigint) from key_units group by all
union all select 'CA-5', 'verified', null, day, uscc, park_ids, list_contains(used_levels, 'C4')::bigint, 1,
       (not list_contains(used_levels, 'C4') and (group_in_use or vague_use))::bigint from firms where is_industry and is_above_scale
union all select 'CA-6', 'measured', null, day, uscc, case when park_id is null then [] else [park_id] end, sum(coalesce(interface_level >= 2, false)::bigint), count(*), sum((interface_level is null)::bigint) from networked group by all
union all select 'CA-7', 'measured', null, day, uscc, case when park_id is null then [] else [park_id] end, count(*), 0, 0 from unit_days where is_deployed group by all
union all select 'CA-7', 'points', null, day, uscc, case when park_id is null then [] else [park_id] end, sum(coalesce(points, 0))::bigint, 0, 0 from unit_days where is_deployed group by all;

-- The mean of the firms' own shares: in a park of what stands there.
create temp table means as
with key_units as (
    select d.day, m.uscc, s.park_id, coalesce(m.is_controlled, false) as has, m.is_controlled is null as open
    from days d join machines m on m.valid_from <= d.day and (m.valid_to is null or m.valid_to > d.day) and m.is_key_operation
    join enterprise_days e on e.day = d.day and e.uscc = m.uscc and e.is_industry
    left join sites s on s.site_id = m.site_id and s.valid_from <= d.day and (s.valid_to is null or s.valid_to > d.day)
), counted as (
    select day, uscc, null as park_id, count(*) filter (has) as has, count(*) filter (open) as open, count(*) as n
    from key_units group by all
    union all
    select day, uscc, park_id, count(*) filter (has), count(*) filter (open), count(*)
    from key_units where park_id is not null group by all
)
select 'CA-4' as metric_id, 'mean_of_firms' as basis, null as level, day, uscc, park_id, has * 1000000000 // n as numerator,
       1000000000 as denominator, (has + open) * 1000000000 // n - has * 1000000000 // n as unknown
from counted;

create table adoption as
with placed as (
    select metric_id, basis, level, day, uscc, unnest(list_concat([null], park_ids)) as park_id, numerator, denominator, unknown
    from added
    union all by name select * from means
), areas as (
    select a.*, coalesce(e.size_class, 'unknown') as size_class, coalesce(e.sector, 'unknown') as sector
    from placed a left join enterprise_days e on e.day = a.day and e.uscc = a.uscc
)
select day as reference_date, park_id, 'all' as dimension, null as class_id, metric_id, basis,
       sum(numerator)::bigint as numerator, sum(denominator)::bigint as denominator, sum(unknown)::bigint as unknown
from areas where level is null group by all
union all select day, park_id, 'size_class', size_class, metric_id, basis, sum(numerator)::bigint, sum(denominator)::bigint, sum(unknown)::bigint
from areas where level is null group by all
union all select day, park_id, 'sector', sector, metric_id, basis, sum(numerator)::bigint, sum(denominator)::bigint, sum(unknown)::bigint
from areas where level is null group by all
union all select day, park_id, 'level', level, metric_id, basis, sum(numerator)::bigint, sum(denominator)::bigint, sum(unknown)::bigint
from areas where level is not null group by all;

create table funnel as
with terminal_areas as (
    select *, unnest(case when park_id is null then [null] else [null, park_id] end) as area from unit_days
), firm_areas as (
    select f.*, coalesce(u.first_use <= f.day, false) as ever_used, unnest(list_concat([null], f.park_ids)) as area
    from firms f left join (select uscc, min(day) as first_use from uses where uscc is not null group by uscc) u using (uscc)
    where f.in_scope
)
select day as reference_date, area as park_id, 'terminals' as "of", count(*) filter (is_registered) as registered,
       count(*) filter (is_deployed) as activated, count(*) filter (is_deployed and is_online) as online,
       count(*) filter (is_deployed and is_connected) as in_use from terminal_areas group by all
union all
select day, area, 'enterprises', count(*), count(*) filter (has_unit or ever_used), count(*) filter (is_online or is_used),
       count(*) filter (is_verified) from firm_areas group by all;

create table liveness as
with areas as (
    select *, unnest(case when park_id is null then [null] else [null, park_id] end) as area from unit_days
)
select day as reference_date, area as park_id, kind, network, status, count(*) as terminals from areas group by all;
