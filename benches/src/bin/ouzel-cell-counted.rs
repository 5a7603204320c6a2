//! `ouzel-cell-counted`: `ouzel-cell` under an allocator that counts.

#[global_allocator]
static HEAP: ouzel_bench::heap::Counting = ouzel_bench::heap::Counting;

fn main() -> std::process::ExitCode {
    ouzel_bench::cli::main()
}
