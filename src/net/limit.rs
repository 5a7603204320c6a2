//! The limits that futures of operations can be given: the same methods on each, written once.

/// `timeout` and `deadline` of a future with an operation in its field `op`, or a `set_limit` of its own there.
macro_rules! limit_methods {
    () => {
        /// Gives the operation `time`, counted from this call: then it is cancelled, and the future says what it had done by
        /// then, or if that is nothing, an error of the kind `TimedOut`. Nothing that was transferred is lost.
        ///
        /// To be called before the first poll. Takes no memory and no timer if the operation is ready at once; cheaper than
        /// [`timeout`](crate::timeout) around the future, which loses what the dropped operation had done.
        ///
        /// ```
        /// use std::io;
        /// use std::time::Duration;
        ///
        /// # fn main() -> io::Result<()> {
        /// # ouzel::LocalRuntime::new()?.block_on(async {
        /// let (stream, _silent) = ouzel::net::UnixStream::pair()?;
        /// let (result, _buf) = stream.read(vec![0; 64]).timeout(Duration::from_millis(1)).await;
        /// assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        /// # Ok(())
        /// # })
        /// # }
        /// ```
        pub fn timeout(self, time: std::time::Duration) -> Self {
            self.deadline(crate::time::now() + time)
        }

        /// As [`timeout`](Self::timeout), until a point in time: for several operations that have one limit.
        pub fn deadline(mut self, at: crate::time::Nanos) -> Self {
            self.op.set_limit(at);
            self
        }
    };
}

pub(super) use limit_methods;
