//! `wardline demo | cargo xtask picture`: draws what a program prints as an SVG of a terminal, for documents. Text stays text.

use std::{
    fmt::Write as _,
    io::{self, BufRead as _},
    path::PathBuf,
};

use anyhow::Result;
use clap::Args;

use crate::host;

/// Of a letter and a line, in pixels.
const LETTER: f64 = 7.25;
const LINE: usize = 17;
/// Round the text.
const MARGIN: usize = 16;
/// Longer lines go on below, so far in.
const COLUMNS: usize = 118;
const INDENT: usize = 12;

/// The arguments of `picture`.
#[derive(Args)]
pub struct Picture {
    /// Where it goes
    #[arg(default_value = "docs/demo.svg")]
    out: PathBuf,
    /// What was typed to get the text
    #[arg(long, default_value = "sudo wardline demo")]
    command: String,
}

/// Draws standard input.
pub fn run(arguments: &Picture) -> Result<()> {
    let lines = io::stdin().lock().lines().collect::<io::Result<Vec<_>>>()?;
    host::write(&arguments.out, draw(&arguments.command, &lines))?;
    println!("wrote {}", arguments.out.display());
    Ok(())
}

fn draw(command: &str, lines: &[String]) -> String {
    let typed = format!("$ {command}");
    let lines: Vec<String> = std::iter::once(&typed).chain(lines).flat_map(|line| broken(line)).collect();
    let width = COLUMNS as f64 * LETTER + 2.0 * MARGIN as f64;
    let height = lines.len() * LINE + 2 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" role=\"img\" aria-label=\"{}\">\n\
         <style>text {{ font: 12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d8dee9; white-space: pre }} \
         .head {{ fill: #88c0d0; font-weight: bold }} .why {{ fill: #ebcb8b }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1d2127\"/>\n",
        escaped(&typed)
    );
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let class = match line.trim_start() {
            text if text.starts_with("because: ") => " class=\"why\"",
            text if text.len() == line.len() => " class=\"head\"",
            _ => "",
        };
        let y = MARGIN + number * LINE + LINE * 3 / 4;
        let _ = writeln!(out, "<text{class} x=\"{MARGIN}\" y=\"{y}\">{}</text>", escaped(line));
    }
    out + "</svg>\n"
}

/// A line in pieces that fit.
fn broken(line: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = pieces.len() - 1;
        if pieces[last].chars().count() + word.trim_end().chars().count() > COLUMNS
            && !pieces[last].trim().is_empty()
        {
            pieces.push(format!("{:INDENT$}{word}", ""));
        } else {
            pieces[last].push_str(word);
        }
    }
    pieces
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_drawn_in_lines_that_fit() {
        let long = format!("  because: {}", "word<of>& ".repeat(40));
        let drawn = draw("wardline demo", &["Attacks".to_owned(), String::new(), long.clone()]);
        let texts: Vec<&str> = drawn.lines().filter(|line| line.starts_with("<text")).collect();
        assert_eq!(texts.len(), 6, "{drawn}");
        assert_eq!(texts[0], "<text class=\"head\" x=\"16\" y=\"28\">$ wardline demo</text>");
        assert_eq!(drawn.matches("word&lt;of&gt;&amp;").count(), 40);
        assert!(broken(&long).iter().all(|piece| piece.trim_end().chars().count() <= COLUMNS + INDENT));
    }
}
