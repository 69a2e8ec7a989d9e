-- Silver from raw values of which each stands once, for oee.sql: states held by running last
-- values, counters differenced by lag, the product of the moment by an ASOF join.
WITH told AS MATERIALIZED (
    SELECT t.work_unit_id, t.measure, t.counter_max,
        (coalesce(source_ticks, server_ticks) - 116444736000000000) // 10 AS time,
        CASE WHEN status_code < 2147483648 THEN coalesce(value_int, value_uint::BIGINT) END AS number,
        CASE WHEN status_code < 2147483648 THEN value_text END AS text
    FROM raw_values JOIN read_parquet($tags) t USING (server_uri, node_id)
    WHERE t.measure_kind IN ('state', 'context', 'counter')
),
said AS (
    SELECT work_unit_id, time,
        max(coalesce(number, -1)) FILTER (measure = 'item_state') AS item_state,
        max(coalesce(number, -1)) FILTER (measure = 'operation_mode') AS operation_mode,
        max(text) FILTER (measure = 'order_id') AS order_id
    FROM told WHERE measure IN ('item_state', 'operation_mode', 'order_id')
    GROUP BY work_unit_id, time
),
state_episodes AS (
    SELECT work_unit_id, make_timestamp(time) AS "start",
        nullif(last_value(item_state IGNORE NULLS) OVER w, -1) AS item_state,
        nullif(last_value(operation_mode IGNORE NULLS) OVER w, -1) AS operation_mode,
        last_value(order_id IGNORE NULLS) OVER w AS order_id
    FROM said WINDOW w AS (PARTITION BY work_unit_id ORDER BY time)
),
readings AS (
    SELECT work_unit_id, counter_max, time, number AS count,
        CASE measure WHEN 'parts_total' THEN 'total' WHEN 'parts_good' THEN 'good'
            WHEN 'parts_bad' THEN 'scrap' ELSE 'rework' END AS kind,
        lag(number) OVER w AS before, lag(time) OVER w AS from_time
    FROM told WHERE measure LIKE 'parts_%' AND number IS NOT NULL
    WINDOW w AS (PARTITION BY work_unit_id, measure ORDER BY time)
),
made_since AS (
    SELECT work_unit_id, time, nullif(text, '') AS product_id FROM told
    WHERE measure = 'product_id' AND text IS NOT NULL
),
stepped AS (
    SELECT r.work_unit_id, r.time, kind, count, p.product_id, count - before AS step,
        count - before + counter_max + 1 AS wrapped,
        2 * (r.time - from_time) // round(coalesce(pri_s, fastest_s) * 1000000)::BIGINT + 2 AS possible
    FROM readings r
    ASOF LEFT JOIN made_since p ON r.work_unit_id = p.work_unit_id AND r.time >= p.time
    LEFT JOIN read_parquet($cycles) c ON c.product_id = p.product_id,
    (SELECT min(pri_s) AS fastest_s FROM read_parquet($cycles))
    WHERE before IS NOT NULL
),
count_increments AS (
    SELECT work_unit_id, make_timestamp(time) AS to_time, kind, product_id,
        CASE WHEN step >= 0 THEN step WHEN wrapped <= possible THEN wrapped
            WHEN count <= possible THEN count ELSE 0 END AS amount
    FROM stepped WHERE amount > 0
),
