/* monitor/web_files.S — the page's files as they are, in the program: it needs no folder beside it. */
	.section .rodata
	.macro file name, path
	.globl	\name
	.globl	\name\()_end
\name:
	.incbin	"\path"
\name\()_end:
	.byte	0
	.endm

	file	ab_web_index_html, monitor/web/index.html
	file	ab_web_page_css, monitor/web/page.css
	file	ab_web_page_js, monitor/web/page.js

	.section .note.GNU-stack, "", @progbits
