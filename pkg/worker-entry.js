// The script of a worker that holds databases for pages:
// `new Worker(new URL('snaplight/worker-entry', ...), { type: 'module' })`.

import { serve } from './lib/serve.js'

serve(self)
