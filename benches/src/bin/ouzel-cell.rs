//! `ouzel-cell`: see `ouzel_bench::cli`.

fn main() -> std::process::ExitCode {
    ouzel_bench::cli::main()
}
