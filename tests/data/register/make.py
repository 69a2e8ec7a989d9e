"""Makes the bad files of this folder anew: `python tests/data/register/make.py`.

Each folder is a file as a clerk sends it, `good.csv` (what goes in) and `refused.csv` (what the
report must name). The two lists are written by hand and are not made here.
"""

from datetime import date
from pathlib import Path

from openpyxl import Workbook

HERE = Path(__file__).parent
HEAD = "统一社会信用代码,企业名称,从业人员,营业收入(万元),行业代码,登记状态,开始日期,结束日期"
A, B, C, D, E = (
    "91310117MA1J1234XJ", "91310117MA1J1234YM", "91310117MA1KUXNU84", "91310117MA21NTX49J",
    "91310117MA1LU2AF96",
)  # fmt: skip


def csv(case: str, *lines: str | bytes, head: str = HEAD) -> None:
    parts = [line if isinstance(line, bytes) else line.encode() for line in (head, *lines)]
    write(case, "input.csv", b"\r\n".join(parts) + b"\r\n")


def write(case: str, name: str, content: bytes) -> None:
    (HERE / case).mkdir(exist_ok=True)
    (HERE / case / name).write_bytes(content)


def duplicate_codes() -> None:
    csv(
        "duplicate_codes",
        f"{A},上海泖辰精密机械有限公司,128,3500,C3562,在营,2026-01-01,",
        f"{B},上海峰澜新材料有限公司,45,900,C2651,在营,2026-01-01,",
        f"{B},上海峰澜新材料有限公司,54,900,C2651,在营,2026-01-01,",
        f"{A},上海泖辰精密机械有限公司,128,3500,C3562,在营,2026-01-01,",
        f"{B},上海峰澜材料有限公司,45,900,C2651,在营,2026-01-01,",
        f"{A},上海泖辰精密机械有限公司,140,3900,C3562,在营,2026-07-01,",
    )


def wrong_check_characters() -> None:
    csv(
        "wrong_check_characters",
        f"{A},上海泖辰精密机械有限公司,128,3500,C3562,在营,2026-01-01,",
        f"{B[:17]}A,上海峰澜新材料有限公司,45,900,C2651,在营,2026-01-01,",
        f"{B.replace('0', 'O', 1)},上海峰澜新材料有限公司,45,900,C2651,在营,2026-01-01,",
        f"{C.lower()},上海钧谷半导体有限公司,74,3553.1,C3973,在营,2026-01-01,",
        f"{C[:12]},上海钧谷半导体有限公司,74,3553.1,C3973,在营,2026-01-01,",
        "310227000123456,上海老字号机械厂,12,200,C34,在营,2026-01-01,",
        f"　{D} ,上海瀚晟自动化设备有限公司,28,3243.1,C3612,在营,2026-01-01,",
    )


def ends_before_starts() -> None:
    csv(
        "ends_before_starts",
        f"{A},上海泖辰精密机械有限公司,128,3500,C3562,在营,2026年1月1日,2026/7/1",
        f"{B},上海峰澜新材料有限公司,45,900,C2651,在营,2026-07-01,2026-01-01",
        f"{C},上海钧谷半导体有限公司,74,3553.1,C3973,在营,2026-07-01,2026-07-01",
        f"{D},上海瀚晟自动化设备有限公司,28,3243.1,C3612,在营,2025-01-01,2026-03-01",
        f"{D},上海瀚晟自动化设备有限公司,30,3300,C3612,在营,2026-01-01,",
        f"{E},上海弘睿环保设备有限公司,-5,300,3591,在营,2026-02-30,长期",
    )


def mixed_encodings() -> None:
    csv(
        "mixed_encodings",
        f"{A},上海泖辰精密机械有限公司,128,3500,C3562,在营,2026-01-01,",
        f"{B},上海峰澜新材料有限公司,45,900,C2651,在营,2026-01-01,".encode("gb18030"),
        f"{C},上海钧谷".encode() + b"\xff\xfe" + "半导体,74,3553.1,C3973,在营,2026-01-01,".encode(),
        f'{D},"上海瀚晟\n自动化设备有限公司",28,3243.1,C3612,在营,2026-01-01,'.encode("gb18030"),
        f'{E},"上海弘睿,30,300,C3591,在营,2026-01-01,',
        f"{E},上海弘睿环保设备有限公司,30,300,C3591,在营,2026-01-01,".encode("gb18030"),
        f"{C},上海钧谷,半导体有限公司,74,3553.1,C3973,在营,2026-01-01,",
    )


def merged_cells() -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "名录"
    sheet.append(["松江新城企业名录（2026年第三季度）"])
    sheet.merge_cells("A1:H1")
    sheet.append(["单位：人、万元"])
    sheet.append(HEAD.split(","))
    sheet.append([A, "上海泖辰精密机械有限公司", 128, 3500, "C3562", "在营", "2026-01-01"])
    sheet.append([B, "上海峰澜新材料有限公司", 45, 900, "C2651", "在营", "2026-01-01"])
    sheet.append([C, "上海钧谷半导体有限公司", 74, 3553.1, "C3973", None, "2026-01-01"])
    sheet.append([D, "上海瀚晟自动化设备有限公司", 28, "=1+", "C3612", "在营", "2026-01-01"])
    sheet["D7"] = "=SUM(C4:C6)"
    sheet.append([E, "上海弘睿环保设备有限公司", 30, 300, "C3591", "在营", "2026-01-01"])
    sheet.merge_cells("F5:F6")
    notes = book.create_sheet("填表说明")
    notes.append(["请按营业执照填写"])
    save(book, "merged_cells")


def codes_as_numbers() -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    sheet.append([f"*{name}：" for name in HEAD.split(",")])
    since = date(2026, 1, 1)
    sheet.append([A, "上海泖辰精密机械有限公司", 128, 3500, "C3562", "存续", since])
    sheet.append([913101170000000123, "上海峰澜新材料有限公司", 45, 900, "C2651", "在营", since])
    sheet.append(["9.13101E+17", "上海钧谷半导体有限公司", 74, 3553.1, "C3973", "在营", since])
    sheet.append([B, "上海峰澜新材料有限公司", 45, 900, 2651, "在业", 46023])
    sheet.append([C, "上海钧谷半导体有限公司", 74.0, 3553.1, 3973, "正常", since])
    save(book, "codes_as_numbers")


def save(book: Workbook, case: str) -> None:
    (HERE / case).mkdir(exist_ok=True)
    book.save(HERE / case / "input.xlsx")


if __name__ == "__main__":
    for make in (
        duplicate_codes, wrong_check_characters, ends_before_starts, mixed_encodings, merged_cells,
        codes_as_numbers,
    ):  # fmt: skip
        make()
