/** The script of a worker that holds databases for pages. It exports nothing. */
export {}
