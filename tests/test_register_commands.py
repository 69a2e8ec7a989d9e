"""The park register at the command line."""

import json

import openpyxl
import pytest
from click.testing import CliRunner

from connectors.errors import ParkPulseError
from parkpulse.cli import cli
from pipelines.register_tables import FIELDS
from tests.test_command_line import command

A, B = "91310117MA1J1234XJ", "91310117MA1KUXNU84"
HEAD = "统一社会信用代码,企业名称,从业人员,登记状态,开始日期,备注"


def run(home, *arguments):
    return CliRunner().invoke(
        cli, ["register", *map(str, arguments), "--home", str(home)], standalone_mode=False
    )


@pytest.fixture
def files(tmp_path):
    texts = {
        "good.csv": f"{HEAD}\n{A},甲公司,20,在营,2026-01-01,\n{A},甲公司,20,在营,2026-01-01,\n",
        "some.csv": f"{HEAD}\n{A},甲公司,30,在营,2026-01-01,\n{B},乙公司,-1,在营,2026-01-01,\n",
        "later.csv": f"{HEAD}\n{A},甲公司,40,在营,2026-06-01,\n",
        "none.csv": "甲,乙\n1,2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode("gb18030"))
    return {name: tmp_path / name for name in texts}


def code(done):
    return done.exception.code if isinstance(done.exception, SystemExit) else done.exit_code


def test_import_says_what_went_in_and_where_the_report_lies(tmp_path, files):
    home = tmp_path / "home"
    done = run(home, "import", files["good.csv"])
    assert code(done) == 0
    assert done.output.splitlines() == [
        "good.csv: enterprises (企业名录): 2 rows, 1 in, 1 repeats, 0 refused",
        "  not read: 备注",
        "  columns it does not have: 英文名称、营业收入(万元)、行业代码、所属集团、是否在新城、"
        "合并后统一社会信用代码、数字化自评得分、结束日期",
    ]
    done = run(home, "import", files["some.csv"])
    assert code(done) == 1
    assert done.output.splitlines()[0].endswith("2 rows, 1 in, 0 repeats, 1 refused")
    (report,) = (line.split(": ")[1] for line in done.output.splitlines() if "refused rows" in line)
    assert openpyxl.load_workbook(report.removesuffix(" (and .csv)")).active["C2"].value == 3
    assert code(run(home, "import", files["some.csv"])) == 1
    assert "nothing new" in run(home, "import", files["good.csv"]).output


def test_a_file_that_cannot_be_read_stops_no_other(tmp_path, files):
    home = tmp_path / "home"
    done = run(
        home, "import", files["none.csv"], tmp_path / "absent.csv", files["good.csv"], "--json"
    )
    assert code(done) == 2
    (told,) = json.loads(done.stdout)
    assert (told["table"], told["accepted"], told["refused"]) == ("enterprises", 1, 0)
    assert len(done.stderr.splitlines()) == 2


def test_a_hidden_worksheet_is_named_and_read_when_it_is_asked_for(tmp_path):
    book = openpyxl.Workbook()
    for name, code in (("名录", A), ("旧名录", B)):
        sheet = book.create_sheet(name)
        sheet.append(["统一社会信用代码", "企业名称", "登记状态", "开始日期"])
        sheet.append([code, "甲公司", "在营", "2026-01-01"])
    book["旧名录"].sheet_state = "hidden"
    book.save(tmp_path / "两年.xlsx")
    home = tmp_path / "home"
    done = run(home, "import", tmp_path / "两年.xlsx")
    first, second, *_ = done.output.splitlines()
    assert first.endswith("1 rows, 1 in, 0 repeats, 0 refused")
    assert second == "  hidden worksheets not read: 旧名录 (--sheet reads one)"
    done = run(home, "import", tmp_path / "两年.xlsx", "--sheet", "旧名录", "--json")
    (told,) = json.loads(done.stdout)
    assert (told["accepted"], told["hidden"], told["is_new"]) == (1, [], True)


def test_conflicts_and_the_history_of_one(tmp_path, files):
    home = tmp_path / "home"
    for name in ("good.csv", "some.csv", "later.csv"):
        run(home, "import", files[name])
    told = json.loads(run(home, "conflicts", "--json").stdout)
    (only,) = told["conflicts"]
    assert (only["kept"], only["refused"], only["refused_source"]) == ("30", "20", "good.csv")
    assert told["dangling"] == []
    assert "1 fields in which sources differ" in run(home, "conflicts").output
    staff = [
        row["staff"] for row in json.loads(run(home, "show", A, "--json").stdout)["enterprises"]
    ]
    assert staff == [30, 40]
    on = json.loads(run(home, "show", A, "--on", "2026-05-31", "--json").stdout)["enterprises"]
    assert [row["staff"] for row in on] == [30]
    assert "甲公司" in run(home, "show", A).output
    with pytest.raises(ParkPulseError, match="the register does not know it"):
        raise run(home, "show", B).exception


def test_a_template_is_written_for_a_table_that_there_is(tmp_path):
    out = tmp_path / "sheet.xlsx"
    done = command("register", "template", "machines", out)
    assert done.returncode == 0
    (head,) = openpyxl.load_workbook(out).worksheets[0].iter_rows(max_row=1, values_only=True)
    assert [cell.split("\n")[1] for cell in head] == [field.name for field in FIELDS["machines"]]
    refused = command("register", "template", "devices", out)
    assert refused.returncode == 2
    assert "'devices' is none of enterprises, sites, machines" in refused.stderr
