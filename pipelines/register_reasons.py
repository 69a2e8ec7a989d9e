"""Why a row of a file is refused and how it is put right, in Chinese and English, as data."""

from typing import Final, NamedTuple

import polars as pl


class Reason(NamedTuple):
    """Four sentences; `{}` stands for what a single row adds: a line, a suggestion, a list."""

    why_zh: str
    why_en: str
    remedy_zh: str
    remedy_en: str


REASONS: Final = {
    "blank": Reason("为空", "it is blank", "请填写", "fill it in"),
    "digits_lost": Reason(
        "表格软件把它变成了数字，末尾的数位已经丢失",
        "a spreadsheet made it a number: digits are lost",
        "把该列设为“文本”格式，重新填写或重新导出",
        "format the column as text and export again",
    ),
    "excel_error": Reason(
        "单元格是公式错误", "the cell is a formula's error",
        "改正公式，或粘贴为数值", "correct the formula, or paste its value",
    ),
    "uscc_length": Reason(
        "统一社会信用代码应为 18 位，这里是 {} 位", "it has {} characters, a code has 18",
        "对照营业执照补全", "compare it with the business licence",
    ),
    "uscc_old": Reason(
        "这是 15 位的旧注册号", "it is a registration number of the old form (15 digits)",
        "改填营业执照上的 18 位统一社会信用代码", "give the code of 18 characters of the licence",
    ),
    "uscc_letter": Reason(
        "含有代码不使用的字符（{}）", "it has characters that no such code has ({})",
        "对照营业执照改正；I、O、S、V、Z 从不使用",
        "compare it with the business licence; I, O, S, V and Z are never used",
    ),
    "uscc_typed": Reason(
        "字符误写（I、O、S、V、Z 不用于代码，字母须大写）",
        "letters are mistyped (I, O, S, V, Z are not used, letters are capitals)",
        "可能是 {}，请对照营业执照", "it may be {}; compare it with the business licence",
    ),
    "uscc_check": Reason(
        "校验码不符（GB 32100）", "its check character is wrong (GB 32100)",
        "若前 17 位无误，应为 {}；请对照营业执照",
        "if the first 17 characters are right it is {}; compare it with the business licence",
    ),
    "no_count": Reason(
        "不是整数", "it is no whole number", "只填数字，例如 128", "write digits only, like 128",
    ),
    "no_number": Reason(
        "不是数字，或单位不符", "it is no number, or has another unit",
        "只填数字，单位见表头", "write digits only, in the unit of the heading",
    ),
    "negative": Reason("为负数", "it is negative", "请填 0 或正数", "give zero or more"),
    "beyond": Reason(
        "超出范围（{}）", "it is out of range ({})", "请核对数值", "check the number",
    ),
    "lon_lat_swapped": Reason(
        "经度与纬度填反了", "longitude and latitude are swapped",
        "对调这两列", "exchange the two",
    ),
    "lon_lat_half": Reason(
        "经度和纬度缺一", "one of longitude and latitude is missing",
        "两列都填，或都留空", "give both, or neither",
    ),
    "no_flag": Reason(
        "不是“是”或“否”", "it is neither yes nor no", "填 是 或 否，不详则留空",
        "write 是 (yes) or 否 (no), nothing if unknown",
    ),
    "no_word": Reason(
        "不在可选值之中", "it is none of the known words", "请填其中之一：{}", "use one of: {}",
    ),
    "no_mac": Reason(
        "不是 MAC 地址", "it is no MAC address",
        "填 12 位十六进制，例如 00:1B:44:11:3A:B7", "write 12 hex digits, like 00:1B:44:11:3A:B7",
    ),
    "no_day": Reason(
        "不是日期", "it is no date",
        "写成 2026-11-21 或 2026年11月21日", "write it like 2026-11-21",
    ),
    "no_such_day": Reason(
        "没有这一天", "there is no such day", "请核对年月日", "check year, month and day",
    ),
    "year": Reason(
        "年份不可信", "nobody believes the year", "年份应在 1949 至 2199 之间",
        "give a year from 1949 to 2199",
    ),
    "early": Reason(
        "早于 {}，那时还没有每日数据", "it is before {}: no fact of a day is so old",
        "请核对年份；若由设备上报，先校准其时钟",
        "check the year; if a device said it, set the device's clock",
    ),
    "serial_day": Reason(
        "日期变成了序号", "the date has become a serial number",
        "把该列设为“日期”格式后再保存", "format the column as a date and save again",
    ),
    "industry_form": Reason(
        "不是 GB/T 4754 行业代码", "it is no code of GB/T 4754",
        "写成门类字母加数字，例如 C3973", "write section letter and digits, like C3973",
    ),
    "industry_section": Reason(
        "门类字母与大类不符（GB/T 4754-2017）",
        "its letter is not the section of its division (GB/T 4754-2017)",
        "应为 {}，请核对", "it would be {}; check it",
    ),
    "industry_none": Reason(
        "GB/T 4754-2017 没有这个大类", "GB/T 4754-2017 has no such division",
        "请核对行业代码", "check the code",
    ),
    "ends_before": Reason(
        "早于开始日期（{}）", "it ends before it starts ({})",
        "请核对两个日期；结束日期为不再有效的第一天",
        "check both days; the end is the first day on which it no longer holds",
    ),
    "self": Reason(
        "与本企业代码相同", "it is the enterprise itself",
        "填合并后的企业", "name who took it over",
    ),
    "nobody": Reason(
        "没有写明属于谁", "it does not say whose it is",
        "填统一社会信用代码，或 {}", "give the uscc, or {}",
    ),
    "more_than_all": Reason(
        "IT 用电量大于总用电量", "the IT load is more than the whole",
        "核对两列及单位", "check both and their units",
    ),
    "duplicate": Reason(
        "与第 {} 行重复，内容却不同", "line {} says something else of the same",
        "只保留正确的一行", "keep the right one",
    ),
    "overlap": Reason(
        "有效期与第 {} 行重叠", "its validity overlaps that of line {}",
        "使前一行的结束日期不晚于后一行的开始日期",
        "let the earlier one end when the later one starts, or before",
    ),
    "merged": Reason(
        "该行在合并单元格 {} 之中", "the row lies in the merged cells {}",
        "取消合并，每行各填各的值", "unmerge them and fill in each row",
    ),
    "no_value": Reason(
        "公式没有保存结果", "a formula without a kept result",
        "用表格软件打开并保存一次，或粘贴为数值",
        "open and save it in the spreadsheet program, or paste its value",
    ),
    "undecodable": Reason(
        "该行的文字编码已损坏（不是 UTF-8、GB 18030 或 UTF-16）",
        "the line is broken: it is no UTF-8, GB 18030 or UTF-16",
        "重新填写该行，另存为 UTF-8 的 CSV", "type the line anew and save as CSV UTF-8",
    ),
    "ragged": Reason(
        "该行的列数与表头不同（{}）", "it has another number of fields than the head ({})",
        "含分隔符的内容请加引号", "put quotation marks around text with the delimiter in it",
    ),
    "unclosed": Reason(
        "引号没有结束", "a quotation mark is not closed", "补上引号", "close it",
    ),
    "type": Reason(
        "该列的数据类型不能读（{}）", "the column's type cannot be read ({})",
        "改存为文本、数字或日期", "save it as text, number or date",
    ),
}  # fmt: skip

PLACE: Final = ["sheet", "line"]
"""Where a row stands in its file; `sheet` is null but in a workbook."""

FOUND: Final = pl.Schema(
    {
        "sheet": pl.String(),
        "line": pl.Int64(),
        "column": pl.String(),
        "value": pl.String(),
        "reason": pl.String(),
        "about": pl.String(),
    }
)
"""What is wrong with a cell: one of REASONS, and what it says of this one."""


def told(found: pl.DataFrame, file: str | None = None) -> pl.DataFrame:
    """FOUND as `park_schemas.REJECTIONS`, by sheet and line; `found` may name the file itself."""
    texts = pl.DataFrame(
        [(name, *reason) for name, reason in REASONS.items()],
        schema=["reason", *Reason._fields],
        orient="row",
    )
    about = pl.col("about").fill_null("")
    spoken = [pl.col(name).str.replace("{}", about, literal=True) for name in Reason._fields]
    named = "file" if "file" in found.columns else pl.lit(file, dtype=pl.String).alias("file")
    return (
        found.sort("sheet", "line", maintain_order=True)
        .join(texts, on="reason", how="left", maintain_order="left")
        .select(named, "sheet", "line", "column", "value", *spoken)
    )
