//! The result as one page: no script, no network, every string escaped. Light or dark as the reader's system is.

mod cases;
mod chrome;
mod curves;
mod figure;
mod mimicry;
mod parts;
mod plot;
mod section;
mod tables;
mod timeline;

use crate::Error;
use crate::result::EvalResult;
pub use figure::figure;
use maud::{DOCTYPE, PreEscaped, html};

/// The page's own style, in the page.
const STYLE: &str = include_str!("style.css");

/// The page.
pub fn html(result: &EvalResult) -> Result<String, Error> {
    let curves = curves::section(result)?;
    let cases = cases::section(result)?;
    let learning = parts::more(result)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Wardline: evaluation, profile " (result.basis.profile) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (chrome::header(result))
                main {
                    (chrome::verdict(result))
                    (chrome::gaps(result))
                    (tables::scenarios(result))
                    (curves)
                    (cases)
                    (parts::ablations(result))
                    (learning)
                    (tables::breakdowns(result))
                    (mimicry::mimicry(result))
                    (tables::basis(result))
                    (tables::runs(result))
                }
                footer { "Everything on this page follows from " code { "result.json" } " beside it. Times are of the machine that evaluated." }
            }
        }
    };
    Ok(page.into_string())
}
