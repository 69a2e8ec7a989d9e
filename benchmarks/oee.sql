-- ISO 22400 OEE per work unit and shift from silver, as one who thinks in SQL would write it:
-- running totals per time element, read off at the edges of busy time with ASOF joins.
WITH rules(item_state, operation_mode, with_order, without_order) AS (
    VALUES (3, 3, 'apt', 'apt'), (3, 2, 'aust', 'aust'), (2, 2, 'aust', 'aust'),
        (1, 2, 'adet', 'adot'), (2, 3, 'adet', 'adot'), (1, 3, 'adet', 'adot'),
        (3, 0, 'adet', 'adot'), (2, 0, 'adet', 'adot'), (1, 0, 'adot', 'adot'),
        (3, 1, 'adot', 'adot'), (2, 1, 'adot', 'adot'), (1, 1, 'adot', 'adot')
),
units AS (SELECT DISTINCT work_unit_id FROM read_parquet($tags)),
planned AS (
    SELECT production_day, shift_id, kind, epoch_us("start") AS low, epoch_us("end") AS high
    FROM read_parquet($plan)
),
spans AS (
    SELECT epoch_us(from_time) AS low, epoch_us(to_time) AS high FROM read_parquet($coverage)
),
shifts AS (
    SELECT work_unit_id, production_day, shift_id, low, least(high, last) AS high
    FROM planned, units, (SELECT min(low) AS first, max(high) AS last FROM spans)
    WHERE kind = 'busy' AND low < last AND high > first
),
cuts AS (SELECT low, high FROM planned WHERE kind IN ('break', 'planned_maintenance')),
marks AS (
    SELECT s.*, c.low AS cut_low, c.high AS cut_high
    FROM shifts s JOIN cuts c ON c.high > s.low AND c.low < s.high
    UNION ALL SELECT *, high, high FROM shifts
),
reached AS (
    SELECT *, max(cut_high) OVER (
        PARTITION BY work_unit_id, production_day, shift_id ORDER BY cut_low, cut_high
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS furthest
    FROM marks
),
busy AS (
    SELECT work_unit_id, production_day, shift_id,
        greatest(low, coalesce(furthest, low)) AS low, least(high, cut_low) AS high
    FROM reached WHERE greatest(low, coalesce(furthest, low)) < least(high, cut_low)
),
changes AS (
    SELECT work_unit_id, epoch_us("start") AS time, 2 AS turn, NULL::BOOLEAN AS seen,
        coalesce(CASE WHEN coalesce(order_id, '') = '' THEN without_order ELSE with_order END,
            'unknown') AS element
    FROM read_parquet($state_episodes) e
    LEFT JOIN rules r ON r.item_state = CASE e.item_state WHEN 0 THEN 1 ELSE e.item_state END
        AND r.operation_mode = e.operation_mode
    UNION ALL SELECT work_unit_id, high, 0, false, NULL FROM spans, units
    UNION ALL SELECT work_unit_id, low, 1, true, NULL FROM spans, units
    UNION ALL SELECT work_unit_id, 0, 0, false, 'unknown' FROM units
),
held AS (
    SELECT work_unit_id, time,
        last_value(element IGNORE NULLS) OVER w AS element, last_value(seen IGNORE NULLS) OVER w AS seen,
        lead(time, 1, time) OVER w - time AS lasted
    FROM changes WINDOW w AS (PARTITION BY work_unit_id ORDER BY time, turn)
),
real AS (
    SELECT work_unit_id, time, lasted, CASE WHEN seen THEN element ELSE 'unknown' END AS element FROM held
),
totals AS (
    SELECT work_unit_id, time, element,
        sum(lasted) FILTER (element = 'apt') OVER w AS apt,
        sum(lasted) FILTER (element = 'aust') OVER w AS aust,
        sum(lasted) FILTER (element = 'adet') OVER w AS adet,
        sum(lasted) FILTER (element = 'adot') OVER w AS adot,
        sum(lasted) FILTER (element = 'unknown') OVER w AS unknown
    FROM real WHERE lasted > 0
    WINDOW w AS (PARTITION BY work_unit_id ORDER BY time
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
edges AS (
    SELECT *, low AS time, -1 AS sign FROM busy UNION ALL SELECT *, high, 1 FROM busy
),
at_edges AS (
    SELECT e.*, e.time - t.time AS passed, t.element, t.apt, t.aust, t.adet, t.adot, t.unknown
    FROM edges e ASOF JOIN totals t ON e.work_unit_id = t.work_unit_id AND e.time >= t.time
),
times AS (
    SELECT work_unit_id, production_day, shift_id, sum(sign * time)::BIGINT AS pbt,
        sum(sign * (coalesce(apt, 0) + CASE element WHEN 'apt' THEN passed ELSE 0 END)) AS apt,
        sum(sign * (coalesce(aust, 0) + CASE element WHEN 'aust' THEN passed ELSE 0 END)) AS aust,
        sum(sign * (coalesce(adet, 0) + CASE element WHEN 'adet' THEN passed ELSE 0 END)) AS adet,
        sum(sign * (coalesce(adot, 0) + CASE element WHEN 'adot' THEN passed ELSE 0 END)) AS adot,
        sum(sign * (coalesce(unknown, 0) + CASE element WHEN 'unknown' THEN passed ELSE 0 END))
            AS unknown
    FROM at_edges GROUP BY ALL
),
counted AS (
    SELECT work_unit_id, epoch_us(to_time) AS time, kind, amount, product_id
    FROM read_parquet($count_increments)
),
placed AS (
    SELECT c.*, s.production_day, s.shift_id, s.high AS shift_end
    FROM counted c ASOF JOIN shifts s ON c.work_unit_id = s.work_unit_id AND c.time >= s.low
),
inside AS (
    SELECT p.*, b.high IS NOT NULL AND p.time < b.high AND b.shift_id = p.shift_id
        AND b.production_day = p.production_day AS in_plan
    FROM placed p ASOF LEFT JOIN busy b ON p.work_unit_id = b.work_unit_id AND p.time >= b.low
    WHERE p.time < p.shift_end
),
products AS (
    SELECT i.work_unit_id, production_day, shift_id, i.product_id, any_value(pri_s) AS pri_s,
        coalesce(sum(amount) FILTER (kind = 'total' AND in_plan), 0)::BIGINT AS pq,
        coalesce(sum(amount) FILTER (kind = 'good' AND in_plan), 0)::BIGINT AS gq,
        coalesce(sum(amount) FILTER (kind = 'scrap' AND in_plan), 0)::BIGINT AS sq,
        coalesce(sum(amount) FILTER (kind = 'rework' AND in_plan), 0)::BIGINT AS rq,
        coalesce(sum(amount) FILTER (kind = 'total' AND NOT in_plan), 0)::BIGINT AS pq_outside_plan
    FROM inside i LEFT JOIN read_parquet($cycles) c ON c.product_id = i.product_id GROUP BY ALL
),
pieces AS (
    SELECT work_unit_id, production_day, shift_id, sum(pq) AS pq, sum(gq) AS gq, sum(sq) AS sq,
        sum(rq) AS rq, sum(pq_outside_plan) AS pq_outside_plan,
        sum(round(pri_s * pq * 1000000)::BIGINT) AS ideal_total,
        sum(round(pri_s * gq * 1000000)::BIGINT) AS ideal_good
    FROM products GROUP BY ALL
)
SELECT work_unit_id, production_day, shift_id, pbt / 1e6 AS pbt_s, apt / 1e6 AS apt_s,
    aust / 1e6 AS aust_s, adet / 1e6 AS adet_s, adot / 1e6 AS adot_s, unknown / 1e6 AS unknown_s,
    coalesce(pq, 0) AS pq, coalesce(gq, 0) AS gq, coalesce(sq, 0) AS sq, coalesce(rq, 0) AS rq,
    coalesce(pq_outside_plan, 0) AS pq_outside_plan,
    CASE WHEN pbt > 0 THEN apt / pbt END AS availability,
    CASE WHEN apt > 0 THEN ideal_total / apt END AS effectiveness,
    CASE WHEN ideal_total > 0 THEN ideal_good / ideal_total END AS quality_ratio,
    CASE WHEN pbt > 0 THEN coalesce(ideal_good, 0) / pbt END AS oee
FROM times LEFT JOIN pieces USING (work_unit_id, production_day, shift_id)
ORDER BY work_unit_id, production_day, shift_id
