mod synth;
use synth::*;
#[test]
fn measure() {
    let b = baseline(Task::Edit, 12, 1);
    println!(
        "size {} MB, contexts {} {} {}",
        models::encode(&b, &[0; 32], 1).unwrap().len() as f64 / 1e6,
        b.models.tokens.contexts(),
        b.models.actions.contexts(),
        b.models.syscalls.contexts()
    );
    let s = session(Task::Edit, Turn::Deletes(30), 5);
    let t = std::time::Instant::now();
    let steps = s.steps().count();
    for _ in 0..20 {
        s.scores(&b);
    }
    println!(
        "{} ns per step with {} syscalls per step",
        t.elapsed().as_nanos() / (20 * steps as u128),
        (s.records.len() - steps) / steps
    );
    let t = std::time::Instant::now();
    baseline(Task::Edit, 12, 2);
    println!("train {:?}", t.elapsed());
}
