//! The languages in which `edit` sessions work: what a module and its test look like, and how the test is run.

use crate::seed::Rng;
use crate::{Tools, words};
use rand::Rng as _;

/// A language that can be edited and tested here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// C, through `cc`.
    C,
    /// Python.
    Python,
    /// Shell functions.
    Shell,
    /// awk programs.
    Awk,
}

/// A small module: `value * factor + offset`. What it computes is known, so that its test can be kept right.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// Its name, and its function's.
    pub name: String,
    /// The factor in it.
    pub factor: u32,
    /// The offset in it.
    pub offset: u32,
}

impl Module {
    /// A module with a name that hardly repeats.
    pub fn draw(rng: &mut Rng) -> Module {
        Module { name: words::identifier(rng), factor: rng.gen_range(2..20), offset: rng.gen_range(1..100) }
    }

    /// What it makes of 3.
    fn of_three(&self) -> u32 {
        3 * self.factor + self.offset
    }
}

impl Language {
    /// The languages to work in: the first two that are there, so that each has half of the sessions.
    pub fn at_hand(tools: &Tools) -> Vec<Language> {
        let every = [
            (tools.cc, Language::C),
            (tools.python, Language::Python),
            (true, Language::Shell),
            (tools.awk, Language::Awk),
        ];
        every.into_iter().filter(|(here, _)| *here).map(|(_, language)| language).take(2).collect()
    }

    /// Where its sources lie, and their suffix.
    pub fn place(self) -> (&'static str, &'static str) {
        match self {
            Language::C => ("src", "c"),
            Language::Python => ("app", "py"),
            Language::Shell => ("lib", "sh"),
            Language::Awk => ("lib", "awk"),
        }
    }

    /// Path of a module's source.
    pub fn source_path(self, name: &str) -> String {
        let (directory, suffix) = self.place();
        format!("{directory}/{name}.{suffix}")
    }

    /// Path of a module's test.
    pub fn test_path(self, name: &str) -> String {
        let suffix = if self == Language::Awk { "sh" } else { self.place().1 };
        format!("tests/test_{name}.{suffix}")
    }

    /// How a comment begins.
    pub fn comment(self) -> &'static str {
        if self == Language::C { "//" } else { "#" }
    }

    /// A module's source.
    pub fn source(self, module: &Module, rng: &mut Rng) -> String {
        let Module { name, factor, offset } = module;
        let remark = format!("{} {}\n", self.comment(), words::sentence(rng));
        let code = match self {
            Language::C => format!(
                "int {name}(int value);\n\nint {name}(int value)\n{{\n    int result = value * {factor} + {offset};\n    return result;\n}}\n"
            ),
            Language::Python => {
                format!("def {name}(value):\n    result = value * {factor} + {offset}\n    return result\n")
            }
            Language::Shell => {
                format!(
                    "{name}() {{\n    local result=$(($1 * {factor} + {offset}))\n    echo \"$result\"\n}}\n"
                )
            }
            Language::Awk => format!("{{\n    result = $1 * {factor} + {offset}\n    print result\n}}\n"),
        };
        remark + &code
    }

    /// A module's test: a program that prints `ok` or fails.
    pub fn test(self, module: &Module) -> String {
        let name = &module.name;
        let expected = module.of_three();
        match self {
            Language::C => format!(
                "#include <stdio.h>\n\nint {name}(int value);\n\nint main(void)\n{{\n    int expected = {expected};\n    if ({name}(3) != expected)\n        return 1;\n    puts(\"ok\");\n    return 0;\n}}\n"
            ),
            Language::Python => format!(
                "import os\nimport sys\n\nsys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))\n\nfrom app.{name} import {name}\n\nexpected = {expected}\nassert {name}(3) == expected\nprint(\"ok\")\n"
            ),
            Language::Shell => format!(
                ". lib/{name}.sh\nexpected={expected}\n[ \"$({name} 3)\" = \"$expected\" ] || exit 1\necho ok\n"
            ),
            Language::Awk => format!(
                "expected={expected}\n[ \"$(echo 3 | awk -f lib/{name}.awk)\" = \"$expected\" ] || exit 1\necho ok\n"
            ),
        }
    }

    /// The command that tests one module.
    pub fn run_test(self, name: &str) -> String {
        let test = self.test_path(name);
        match self {
            Language::C => {
                format!(
                    "mkdir -p build && cc -pipe -Wall -o build/{name} src/{name}.c {test} && ./build/{name}"
                )
            }
            Language::Python => format!("python3 {test}"),
            Language::Shell | Language::Awk => format!("bash {test}"),
        }
    }

    /// `sed` programs that change a module's offset in its source and in its test alike, so that the test keeps passing.
    pub fn change_offset(self, module: &mut Module, offset: u32) -> (String, String) {
        let (old, before) = (module.offset, module.of_three());
        module.offset = offset;
        let equals = if matches!(self, Language::C | Language::Python) { " = " } else { "=" };
        let after = module.of_three();
        (format!("s/ + {old}/ + {offset}/"), format!("s/expected{equals}{before}/expected{equals}{after}/"))
    }
}
